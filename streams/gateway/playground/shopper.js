/** Who shops: somebody whom the log knows, or somebody invented. */
import { html } from "./ui.js";

const FIRST = ["Ada", "Bo", "Chen", "Dua", "Eli", "Fen", "Gus", "Hua", "Ines", "Jun"];

/** A shopper whom nothing is known of yet. */
export function invented() {
  const name = FIRST[Math.floor(Math.random() * FIRST.length)];
  return `${name}-${Math.random().toString(36).slice(2, 6)}`;
}

export function ShopperChoice({ shopper, shoppers, choose }) {
  const known = shoppers.find(({ user_id: user }) => user === shopper);
  return html`<div class="shopper" data-tour="shopper">
    <label for="shopper">You shop as</label>
    <div class="shopper-row">
      <input id="shopper" list="shoppers" value=${shopper} autocomplete="off" maxlength="128"
        onChange=${(event) => choose(event.target.value.trim())} />
      <datalist id="shoppers">
        ${shoppers.map(({ user_id: user, about }) => html`<option key=${user} value=${user}>${about}</option>`)}
      </datalist>
      <button type="button" onClick=${() => choose(invented())}>Invent one</button>
    </div>
    <p class="hint">${known ? known.about : shopper ? "nothing bought yet, as far as this page knows" : "nobody: no history"}</p>
  </div>`;
}
