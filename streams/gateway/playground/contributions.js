/** What a score is made of: one bar for each contribution, which add up to the score. */
import { html } from "./ui.js";
import { signed } from "./format.js";

/** Rows that are drawn; the rest is one row. */
const ROWS = 8;

/** The contributions that count most, the sum of the others as one, and their total. */
export function summed(reasons) {
  const all = Object.entries(reasons)
    .filter(([, value]) => value)
    .sort((one, other) => Math.abs(other[1]) - Math.abs(one[1]));
  const rows = all.slice(0, ROWS);
  const rest = all.slice(ROWS);
  if (rest.length) rows.push([`${rest.length} more`, rest.reduce((sum, [, value]) => sum + value, 0)]);
  return { rows, total: rows.reduce((sum, [, value]) => sum + value, 0) };
}

export function Contributions({ item }) {
  const { rows, total } = summed(item.reasons ?? {});
  const most = Math.max(...rows.map(([, value]) => Math.abs(value)), 1e-9);
  return html`<table class="contributions">
    <caption>What the score is made of</caption>
    <tbody>
      ${rows.map(([name, value]) => html`<tr key=${name}>
        <th scope="row">${name.replaceAll("_", " ")}</th>
        <td class="bar-cell"><${Bar} share=${value / most} /></td>
        <td class="number" data-value=${value}>${signed(value)}</td>
      </tr>`)}
    </tbody>
    <tfoot>
      <tr><th scope="row">together</th><td></td><td class="number" data-total=${total}>${signed(total)}</td></tr>
    </tfoot>
  </table>`;
}

/** A bar from the middle, to the right for more and to the left for less; `share` from -1 to 1. */
function Bar({ share }) {
  const width = 50 * Math.abs(share);
  const left = share < 0 ? 50 - width : 50;
  return html`<span class="bar" aria-hidden="true">
    <span class=${share < 0 ? "less" : "more"} style=${{ left: `${left}%`, width: `${width}%` }}></span>
  </span>`;
}
