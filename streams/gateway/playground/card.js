/** One item of an answer: what it is, why it is there, and what a shopper may do with it. */
import { html } from "./ui.js";
import { asPrice } from "./format.js";
import { Contributions } from "./contributions.js";
import { Picture } from "./picture.js";

/** Kinds of behaviour with a button each. */
const ACTIONS = [
  ["view", "View"],
  ["click", "Click"],
  ["add_to_cart", "To cart"],
  ["purchase", "Buy"],
  ["dislike", "Dislike"],
];

export function Card({ item, place, move, moved, busy, act, similar }) {
  const title = item.details.title || item.item_id;
  return html`<article class="card" data-item=${item.item_id} aria-labelledby=${`title-${place}`}>
    <${Picture} item=${item} />
    <div class="card-body">
      <p class="place">
        <span class="rank">${place + 1}</span>
        ${moved && html`<${Move} by=${move} />`}
        <span class="score" data-score=${item.score}>score ${item.score.toFixed(3)}</span>
      </p>
      <h3 id=${`title-${place}`}>${named(item, title)}</h3>
      <p class="sold">
        ${item.details.brand && html`<span class="brand">${item.details.brand}</span>`} <${Price} details=${item.details} />
      </p>
      ${item.why && html`<p class="why">${item.why}</p>`}
      <ul class="chips" aria-label="Found by">
        ${item.sources.map((source) => html`<li key=${source}>${source.replaceAll("_", " ")}</li>`)}
      </ul>
      <details>
        <summary>Why here?<span class="hidden"> ${title}</span></summary>
        <${Contributions} item=${item} />
      </details>
      <div class="actions" role="group" aria-label=${`What to do with ${title}`}>
        ${ACTIONS.map(([kind, label]) => html`<button
          key=${kind} type="button" data-kind=${kind} disabled=${busy} onClick=${() => act(kind, item, place)}
        >${label}</button>`)}
        <button type="button" data-kind="similar" disabled=${busy} onClick=${() => similar(item)}>Similar</button>
      </div>
    </div>
  </article>`;
}

/** The title, as a link where the item has a page on the web. */
function named(item, title) {
  const { link } = item.details;
  const safe = link && /^https?:\/\//i.test(link);
  return safe ? html`<a href=${link} target="_blank" rel="noopener noreferrer">${title}</a>` : title;
}

function Move({ by }) {
  if (by === null) return html`<span class="move new">new</span>`;
  if (by === 0) return null;
  return by > 0
    ? html`<span class="move up"><span aria-hidden="true">▲</span><span class="hidden">up </span>${by}</span>`
    : html`<span class="move down"><span aria-hidden="true">▼</span><span class="hidden">down </span>${-by}</span>`;
}

function Price({ details: { price, list_price: regular } }) {
  if (price === undefined || price === null) return null;
  if (!regular || regular <= price) return html`<span class="price">${asPrice(price)}</span>`;
  return html`<span class="price">${asPrice(price)}</span>
    <s class="regular"><span class="hidden">instead of </span>${asPrice(regular)}</s>
    <span class="discount">−${Math.round(100 * (1 - price / regular))} %</span>`;
}
