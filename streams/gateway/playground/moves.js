/** What moved between two answers to the same question. */

/** Of each item of `after`: how many places it rose (negative: fell), null where it was not there before. */
export function movesOf(before, after) {
  const places = new Map(before.map((item, place) => [item.item_id, place]));
  return new Map(
    after.map((item, place) => [item.item_id, places.has(item.item_id) ? places.get(item.item_id) - place : null]),
  );
}

/** The moves in one sentence, for those who do not see them. */
export function inWords(moves) {
  const all = [...moves.values()];
  const moved = all.filter((by) => by !== null && by !== 0).length;
  const fresh = all.filter((by) => by === null).length;
  if (!moved && !fresh) return "Nothing moved.";
  return `${moved} ${moved === 1 ? "item" : "items"} moved, ${fresh} came in.`;
}
