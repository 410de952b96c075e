/** A box for a shop's own items: CSV or JSON Lines, published, and searched a moment later. */
import { html, useState } from "./ui.js";
import { importTable } from "./api.js";
import { asCount } from "./format.js";

const EXAMPLE = `item_id,title,brand,category,price
own-1,Enamel camping mug,Fjell,Outdoor > Kitchen,12.90
own-2,Titanium spork,Fjell,Outdoor > Kitchen,9.50
own-3,野营折叠椅,Lu,Outdoor > Furniture,39.00
`;

export function OwnTable({ search }) {
  const [text, setText] = useState(EXAMPLE);
  const [map, setMap] = useState("");
  const [decimal, setDecimal] = useState(".");
  const [told, setTold] = useState(null);
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);

  const load = async (event) => {
    event.preventDefault();
    setBusy(true);
    setWrong("");
    setTold(null);
    try {
      setTold(await importTable(text, map, decimal));
    } catch (error) {
      setWrong(error.message);
    }
    setBusy(false);
  };

  return html`<section class="panel" aria-labelledby="own-title" data-tour="own">
    <h2 id="own-title">Your own shop</h2>
    <form onSubmit=${load}>
      <label for="own">Paste items as CSV or JSON Lines</label>
      <textarea id="own" rows="6" spellcheck="false" value=${text} onInput=${(event) => setText(event.target.value)}></textarea>
      <div class="own-row">
        <label>Columns<input value=${map} placeholder="title=Name,price=Preis" onInput=${(event) => setMap(event.target.value)} /></label>
        <label>Decimal sign<select value=${decimal} onChange=${(event) => setDecimal(event.target.value)}>
          <option value=".">1.50</option>
          <option value=",">1,50</option>
        </select></label>
        <button type="submit" class="primary" disabled=${busy || !text.trim()}>Put into the shop</button>
      </div>
    </form>
    <div role="status">
      ${wrong && html`<p class="wrong">${wrong}</p>`}
      ${told && html`<${Told} told=${told} search=${search} />`}
    </div>
  </section>`;
}

function Told({ told, search }) {
  return html`<p>${asCount(told.accepted)} items published, ${asCount(told.refused)} rows refused.</p>
    ${told.refusals.length > 0 && html`<ul class="refusals">
      ${told.refusals.map(({ row, field, message }) => html`<li key=${row}>row ${row}, ${field || "the whole row"}: ${message}</li>`)}
    </ul>`}
    ${told.told.map((line) => html`<p key=${line} class="hint">${line}</p>`)}
    ${told.titles.length > 0 && html`<p class="try">Search for
      ${told.titles.map((title) => html`<button key=${title} type="button" onClick=${() => search(title)}>${title}</button>`)}
    </p>`}`;
}
