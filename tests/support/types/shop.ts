// Publishes an item, a click and a query as lines of JSON, and reads an answer, all with the types generated.
import type { Answer, BehaviorEvents, Item, Query } from "./streamrank";

const item: Item = {
  event: "item", item_id: "p1", time: 1700000000000, price: 0, in_stock: false,
  attributes: { colour: ["grey", "black"], memory_gb: 128, new: true },
};
const click: BehaviorEvents = { event: "click", event_id: "e1", user_id: "u1", item_id: "p1", time: 1700000001000, position: 0 };
const query: Query = {
  event: "query", request_id: "r1", user_id: "u1", time: 1700000002000, surface: "search", text: "phone", sort: "price",
  filters: {
    category: [["phones", "cases"], "tablets"], price: { max: 300 }, in_stock: false,
    attributes: { colour: ["grey"], memory_gb: { min: 0 }, new: false },
  },
  after: { partition: 0, offset: 0 },
};
for (const event of [item, click, query]) console.log(JSON.stringify(event));

const answer: Answer = JSON.parse(process.argv[2]);
const shown: string[] = (answer.items ?? []).map(({ item_id, score }) => `${item_id} ${score}`);
const facet = answer.facets?.["price"]?.[0];
console.log(JSON.stringify({ shown, offset: answer.seen?.offset, from: facet?.min, counted: facet?.count, reasons: answer.items?.[0].reasons }));
