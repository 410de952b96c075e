package main

import (
	"hash"
	"time"

	"github.com/IBM/sarama"
)

var saramaCodecs = map[string]sarama.CompressionCodec{
	"none":   sarama.CompressionNone,
	"gzip":   sarama.CompressionGZIP,
	"snappy": sarama.CompressionSnappy,
	"lz4":    sarama.CompressionLZ4,
	"zstd":   sarama.CompressionZSTD,
}

func onSarama(brokers []string, topic string, r run) error {
	config := sarama.NewConfig()
	config.Version = sarama.V2_8_0_0
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Producer.Compression = saramaCodecs[r.codec]
	config.Producer.Flush.Frequency = 50 * time.Millisecond
	switch r.partitioner {
	case "murmur2":
		config.Producer.Partitioner = sarama.NewCustomPartitioner(
			sarama.WithAbsFirst(), sarama.WithCustomHashFunction(func() hash.Hash32 { return new(murmur2) }))
	case "round robin":
		config.Producer.Partitioner = sarama.NewRoundRobinPartitioner
	}
	producer, err := sarama.NewSyncProducer(brokers, config)
	if err != nil {
		return err
	}
	defer producer.Close()
	var messages []*sarama.ProducerMessage
	for _, one := range r.records {
		messages = append(messages, &sarama.ProducerMessage{
			Topic: topic, Key: sarama.StringEncoder(one.key), Value: sarama.StringEncoder(one.value),
		})
	}
	return producer.SendMessages(messages)
}
