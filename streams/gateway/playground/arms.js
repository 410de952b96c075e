/** Arms of the experiment, or the one way in which all is answered: clicks an item shown, with a 95 % interval. */
import { html } from "./ui.js";
import { asCount, asShare } from "./format.js";
import { sum } from "./prometheus.js";

/** Wilson's interval of a share, at 95 %. */
export function wilson(hits, of) {
  const z = 1.96;
  const share = hits / of;
  const middle = share + (z * z) / (2 * of);
  const half = z * Math.sqrt((share * (1 - share)) / of + (z * z) / (4 * of * of));
  const whole = 1 + (z * z) / of;
  return [Math.max(0, (middle - half) / whole), Math.min(1, (middle + half) / whole)];
}

export function Arms({ samples }) {
  const arms = [];
  for (const { labels } of samples.get("streamrank_arm_items_total") ?? []) {
    const { experiment, arm } = labels;
    if (arms.some((other) => other.experiment === experiment && other.arm === arm)) continue;
    const shown = sum(samples, "streamrank_arm_items_total", { experiment, arm });
    const clicks = sum(samples, "streamrank_arm_outcomes_total", { experiment, arm, kind: "click" });
    if (shown > 0) arms.push({ experiment, arm, shown, clicks, interval: wilson(Math.min(clicks, shown), shown) });
  }
  const most = Math.max(...arms.map(({ interval }) => interval[1]), 1e-9);
  return html`<section aria-labelledby="arms-title">
    <h3 id="arms-title">Arms</h3>
    ${arms.length === 0
      ? html`<p class="hint">No answer yet.</p>`
      : html`<table>
          <thead><tr><th scope="col">arm</th><th scope="col" class="number">shown</th><th scope="col" class="number">clicks</th><th scope="col">click-through</th></tr></thead>
          <tbody>${arms.map((one) => html`<tr key=${one.experiment + one.arm}>
            <th scope="row">${one.arm}${one.experiment && html` <span class="hint">${one.experiment}</span>`}</th>
            <td class="number">${asCount(one.shown)}</td>
            <td class="number">${asCount(one.clicks)}</td>
            <td><${Interval} ...${one} most=${most} /></td>
          </tr>`)}</tbody>
        </table>`}
  </section>`;
}

function Interval({ clicks, shown, interval: [low, high], most }) {
  const percent = (value) => `${(100 * value) / most}%`;
  return html`<span class="interval" aria-hidden="true">
      <span class="span" style=${{ left: percent(low), width: percent(high - low) }}></span>
      <span class="point" style=${{ left: percent(Math.min(clicks / shown, most)) }}></span>
    </span>
    <span>${asShare(clicks / shown)} <span class="hint">(${asShare(low)} to ${asShare(high)})</span></span>`;
}
