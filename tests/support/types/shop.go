// Publishes an item, a click and a query as lines of JSON, and reads an answer, all with the types generated.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"shop/streamrank"
)

func of[T any](value T) *T { return &value }

func print(value any) {
	line, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line))
}

func main() {
	grey, black := streamrank.AttributePart{String: of("grey")}, streamrank.AttributePart{String: of("black")}
	print(streamrank.Item{
		Event: streamrank.EventItem, ItemID: "p1", Time: 1700000000000, Price: of(0.0), InStock: of(false),
		Attributes: map[string]*streamrank.Attribute{
			"colour":    {UnionArray: []streamrank.AttributePart{grey, black}},
			"memory_gb": {Double: of(128.0)},
			"new":       {Bool: of(true)},
		},
	})
	print(streamrank.Click{
		Event: streamrank.EventClick, EventID: "e1", UserID: "u1", ItemID: "p1", Time: 1700000001000, Position: of(int64(0)),
	})
	print(streamrank.Query{
		Event: streamrank.EventQuery, RequestID: "r1", UserID: of("u1"), Time: 1700000002000,
		Surface: of(streamrank.Search), Text: of("phone"), Sort: of(streamrank.Price),
		Filters: &streamrank.Filters{
			Category: []streamrank.WantedCategory{{StringArray: []string{"phones", "cases"}}, {String: of("tablets")}},
			Price:    &streamrank.Range{Max: of(300.0)},
			InStock:  of(false),
			Attributes: map[string]*streamrank.WantedValue{
				"colour":    {UnionArray: []streamrank.AttributePart{grey}},
				"memory_gb": {Range: &streamrank.Range{Min: of(0.0)}},
				"new":       {Bool: of(false)},
			},
		},
		After: &streamrank.Place{Partition: 0, Offset: 0},
	})

	answer, err := streamrank.UnmarshalAnswer([]byte(os.Args[1]))
	if err != nil {
		panic(err)
	}
	shown := []string{}
	for _, item := range answer.Items {
		shown = append(shown, fmt.Sprint(item.ItemID, " ", item.Score))
	}
	facet := answer.Facets["price"][0]
	print(map[string]any{
		"shown": shown, "offset": answer.Seen.Offset, "from": facet.Min, "counted": facet.Count,
		"reasons": answer.Items[0].Reasons,
	})
}
