// Publishes on a Go client: publish CLIENT BROKERS TOPIC < lines of "codec TAB partitioner TAB key TAB value".
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

type record struct{ key, value string }

// a run is what one producer publishes: with one codec and one partitioner
type run struct {
	codec, partitioner string
	records            []record
}

var clients = map[string]func(brokers []string, topic string, r run) error{
	"franz-go":           franz,
	"franz-go/3.9":       franz39,
	"segmentio/kafka-go": segmentio,
	"sarama":             onSarama,
}

func main() {
	client, brokers, topic := os.Args[1], strings.Split(os.Args[2], ","), os.Args[3]
	for _, r := range runs() {
		if err := clients[client](brokers, topic, r); err != nil {
			fmt.Fprintf(os.Stderr, "%s, %s, %s: %v\n", client, r.codec, r.partitioner, err)
			os.Exit(1)
		}
	}
}

func runs() []run {
	var found []run
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		parts := strings.Split(lines.Text(), "\t")
		last := len(found) - 1
		if last < 0 || found[last].codec != parts[0] || found[last].partitioner != parts[1] {
			found = append(found, run{codec: parts[0], partitioner: parts[1]})
			last++
		}
		found[last].records = append(found[last].records, record{parts[2], parts[3]})
	}
	return found
}
