package main

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
)

var franzCodecs = map[string]kgo.CompressionCodec{
	"none":   kgo.NoCompression(),
	"gzip":   kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(),
	"lz4":    kgo.Lz4Compression(),
	"zstd":   kgo.ZstdCompression(),
}

func franz(brokers []string, topic string, r run) error {
	return withFranz(brokers, topic, r)
}

// franz39 speaks no newer protocol than that of Kafka 3.9, as the embedded broker needs it.
func franz39(brokers []string, topic string, r run) error {
	return withFranz(brokers, topic, r, kgo.MaxVersions(kversion.V3_9_0()))
}

func withFranz(brokers []string, topic string, r run, options ...kgo.Opt) error {
	options = append(options, kgo.SeedBrokers(brokers...), kgo.ProducerBatchCompression(franzCodecs[r.codec]),
		kgo.ProducerLinger(50*time.Millisecond))
	switch r.partitioner {
	case "murmur2":
		options = append(options, kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	case "round robin":
		options = append(options, kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var records []*kgo.Record
	for _, one := range r.records {
		records = append(records, &kgo.Record{Topic: topic, Key: []byte(one.key), Value: []byte(one.value)})
	}
	return client.ProduceSync(ctx, records...).FirstErr()
}
