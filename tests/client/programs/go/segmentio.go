package main

import (
	"context"
	"time"

	"github.com/segmentio/kafka-go"
)

var segmentioCodecs = map[string]kafka.Compression{
	"gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd,
}

func segmentio(brokers []string, topic string, r run) error {
	writer := &kafka.Writer{
		Addr: kafka.TCP(brokers...), Topic: topic, RequiredAcks: kafka.RequireAll,
		Compression: segmentioCodecs[r.codec], BatchTimeout: 50 * time.Millisecond,
	}
	switch r.partitioner {
	case "murmur2":
		writer.Balancer = kafka.Murmur2Balancer{}
	case "round robin":
		writer.Balancer = &kafka.RoundRobin{}
	}
	var messages []kafka.Message
	for _, one := range r.records {
		messages = append(messages, kafka.Message{Key: []byte(one.key), Value: []byte(one.value)})
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := writer.WriteMessages(ctx, messages...); err != nil {
		return err
	}
	return writer.Close()
}
