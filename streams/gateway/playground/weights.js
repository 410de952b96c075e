/** The online ranker's weights by version, one small chart an input. */
import { html, useEffect, useState } from "./ui.js";
import { follow } from "./api.js";
import { Chart } from "./charts.js";

const KEPT = 200;

export function Weights({ theme }) {
  const [bySurface, setBySurface] = useState({});
  const [chosen, setChosen] = useState(null);

  useEffect(() => follow("weights", "weights", ({ surface, weights }) => {
    if (!weights) return;
    setBySurface((before) => {
      const had = (before[surface] ?? []).filter(({ version }) => version < weights.version);
      return { ...before, [surface]: [...had, weights].slice(-KEPT) };
    });
    setChosen((before) => before ?? surface);
  }), []);

  const surfaces = Object.keys(bySurface);
  return html`<section aria-labelledby="weights-title">
    <h3 id="weights-title">Online weights by version</h3>
    ${surfaces.length === 0
      ? html`<p class="hint">Nothing learnt yet: click on something that an answer shows.</p>`
      : html`<label>Surface
            <select value=${chosen} onChange=${(event) => setChosen(event.target.value)}>
              ${surfaces.map((surface) => html`<option key=${surface} value=${surface}>${surface}</option>`)}
            </select>
          </label>
          <${Multiples} versions=${bySurface[chosen]} theme=${theme} />`}
  </section>`;
}

function Multiples({ versions, theme }) {
  const newest = versions.at(-1);
  const x = versions.map(({ version }) => version);
  return html`<p class="hint">version ${newest.version}, from ${newest.pairs} pairs</p>
    <div class="multiples">
      ${newest.names.map((name, n) => html`<${Chart} key=${name} label=${`${name.replaceAll("_", " ")} ${newest.weights[n].toFixed(3)}`}
        theme=${theme} time=${false} height=${70} data=${[x, versions.map(({ weights }) => weights[n])]} lines=${[[name, "--one"]]} />`)}
    </div>`;
}
