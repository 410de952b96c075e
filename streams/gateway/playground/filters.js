/** Filters by category, brand and price, with how many items each would leave. */
import { html } from "./ui.js";
import { asCount, asPrice } from "./format.js";

export function Filters({ facets, filters, setFilters, disabled }) {
  const set = (name) => (value) => setFilters({ ...filters, [name]: value });
  return html`<div class="filters" role="group" aria-label="Filters">
    <${Choice} label="Category" values=${facets.category} chosen=${filters.category} choose=${set("category")}
      disabled=${disabled} />
    <${Choice} label="Brand" values=${facets.brand} chosen=${filters.brand} choose=${set("brand")} disabled=${disabled} />
    <${Choice} label="Price" values=${facets.price} chosen=${filters.price} choose=${set("price")} disabled=${disabled} />
  </div>`;
}

function Choice({ label, values = [], chosen, choose, disabled }) {
  const options = values.map((facet) => {
    const value = facet.value ?? { min: facet.min, max: facet.max };
    return { key: JSON.stringify(value), name: nameOf(facet), count: facet.count };
  });
  const current = JSON.stringify(chosen);
  if (chosen !== null && !options.some(({ key }) => key === current)) {
    options.unshift({ key: current, name: nameOf(typeof chosen === "object" ? chosen : { value: chosen }), count: 0 });
  }
  return html`<label>${label}
    <select value=${current} disabled=${disabled} onChange=${(event) => choose(JSON.parse(event.target.value))}>
      <option value="null">all</option>
      ${options.map(({ key, name, count }) => html`<option key=${key} value=${key} selected=${key === current}>
        ${name} (${asCount(count)})
      </option>`)}
    </select>
  </label>`;
}

function nameOf({ value, min, max }) {
  if (value !== undefined && value !== null) return String(value);
  if (min === undefined || min === null) return `below ${asPrice(max)}`;
  return max === undefined || max === null ? `from ${asPrice(min)}` : `${asPrice(min)} to ${asPrice(max)}`;
}
