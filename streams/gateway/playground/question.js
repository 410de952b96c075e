/** What is asked: a question of the page as a query of the gateway. */

export const PAGE = 12;
export const NO_FILTERS = { category: null, brand: null, price: null };

/** A query's fields; `after` is the place of the shopper's last event, which the answer is to know. */
export function queryOf({ shopper, question, filters, language, cart, after }) {
  const query = {
    user_id: shopper || undefined,
    surface: question.surface,
    limit: PAGE,
    explain: true,
    details: true,
    language,
    facets: ["category", "brand", "price"],
    filters: filtersOf(filters),
    after: after ?? undefined,
  };
  if (question.surface === "search") query.text = question.text;
  if (question.surface === "similar") query.item_id = question.item.item_id;
  if (question.surface === "cart") query.cart = cart.map((item) => item.item_id);
  return query;
}

function filtersOf({ category, brand, price }) {
  const found = {};
  if (category !== null) found.category = [category];
  if (brand !== null) found.brand = [brand];
  if (price !== null) found.price = price;
  return Object.keys(found).length ? found : undefined;
}

/** Two questions are the same where their answers may be compared place by place. */
export function keyOf({ shopper, question, filters }) {
  return JSON.stringify([shopper, question.surface, question.text, question.item?.item_id, filters]);
}
