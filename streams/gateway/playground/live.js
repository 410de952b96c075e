/** The live panel: what the workers say of themselves, every two seconds. */
import { html, useEffect, useRef, useState } from "./ui.js";
import { metrics } from "./api.js";
import { buckets, parse, quantile, sum, sumsBy } from "./prometheus.js";
import { asCount, asShort } from "./format.js";
import { Arms } from "./arms.js";
import { Chart } from "./charts.js";
import { Letters } from "./letters.js";
import { Weights } from "./weights.js";

const EVERY_MS = 2000;
/** Readings that are kept: two minutes. A delay's quantiles are those of the last WINDOW of them. */
const KEPT = 60;
const WINDOW = 15;

export function Live({ theme, workers }) {
  const readings = useReadings(workers > 0);
  const now = readings.at(-1);
  return html`<aside class="live" aria-labelledby="live-title" data-tour="live">
    <h2 id="live-title">Live</h2>
    ${workers === 0 && html`<p class="hint">STREAMRANK_GATEWAY_WORKERS names no worker, so there are no figures of any.</p>`}
    ${now && html`<${Tiles} readings=${readings} />
      <${Traffic} readings=${readings} theme=${theme} />
      <${Drift} samples=${now.samples} />
      <${Arms} samples=${now.samples} />`}
    <${Weights} theme=${theme} />
    <${Letters} />
  </aside>`;
}

/** The last readings of the workers' metrics, each with its moment in seconds. */
function useReadings(on) {
  const [readings, setReadings] = useState([]);
  useEffect(() => {
    if (!on) return undefined;
    let [timer, ended] = [0, false];
    const look = async () => {
      try {
        const texts = Object.values(await metrics());
        const reading = { at: Date.now() / 1000, samples: parse(texts) };
        if (!ended && texts.length) setReadings((before) => [...before, reading].slice(-KEPT));
      } catch {
        // the next look may find the gateway again
      }
      if (!ended) timer = setTimeout(look, EVERY_MS);
    };
    look();
    return () => {
      ended = true;
      clearTimeout(timer);
    };
  }, [on]);
  return readings;
}

const counted = (reading, name, labels) => sum(reading.samples, name, labels);
const events = (reading) => counted(reading, "streamrank_events_total", { kind: "behavior" });
const answers = (reading) => counted(reading, "streamrank_answers_total");

/** How much a count grew a second between two readings. */
function rate(count, before, after) {
  return before ? Math.max(0, count(after) - count(before)) / Math.max(after.at - before.at, 1e-3) : 0;
}

function delays(readings, n) {
  const name = "streamrank_answer_seconds";
  const [before, after] = [readings[Math.max(0, n - WINDOW)], readings[n]].map(({ samples }) => buckets(samples, name));
  return [0.5, 0.99].map((share) => {
    const seconds = quantile(share, before, after);
    return seconds === null ? null : 1000 * seconds;
  });
}

function Tiles({ readings }) {
  const [before, now] = [readings.at(-2), readings.at(-1)];
  const [p50, p99] = delays(readings, readings.length - 1);
  const milliseconds = (value) => (value === null ? "–" : `${asShort(value)} ms`);
  const tiles = [
    ["events/s", asShort(rate(events, before, now))],
    ["answers/s", asShort(rate(answers, before, now))],
    ["answer p50", milliseconds(p50)],
    ["answer p99", milliseconds(p99)],
    ["lag, records", asCount(counted(now, "streamrank_lag"))],
    ["items", asCount(Math.max(0, ...(now.samples.get("streamrank_catalogue_items") ?? []).map(({ value }) => value)))],
  ];
  return html`<dl class="tiles">
    ${tiles.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
  </dl>`;
}

function Traffic({ readings, theme }) {
  const at = readings.map((reading) => reading.at);
  const of = (count) => readings.map((reading, n) => rate(count, readings[n - 1], reading));
  const both = readings.map((_, n) => delays(readings, n));
  return html`<${Chart} label="A second:" theme=${theme} data=${[at, of(events), of(answers)]}
      lines=${[["events", "--one"], ["answers", "--two"]]} />
    <${Chart} label="Answers, ms in the worker:" theme=${theme} data=${[at, both.map(([p50]) => p50), both.map(([, p99]) => p99)]}
      lines=${[["p50", "--one"], ["p99", "--two"]]} />`;
}

function Drift({ samples }) {
  const loss = sumsBy(samples, "streamrank_feedback_loss", "surface");
  const alarms = sumsBy(samples, "streamrank_drift_alarms_total", "surface");
  return html`<section aria-labelledby="drift-title">
    <h3 id="drift-title">Drift</h3>
    ${loss.size === 0
      ? html`<p class="hint">Nothing to compare yet: click on something that an answer shows.</p>`
      : html`<table>
          <thead><tr><th scope="col">surface</th><th scope="col" class="number">loss</th><th scope="col" class="number">alarms</th></tr></thead>
          <tbody>${[...loss].map(([surface, value]) => html`<tr key=${surface}>
            <th scope="row">${surface}</th><td class="number">${value.toFixed(3)}</td>
            <td class="number">${alarms.get(surface) ?? 0}</td></tr>`)}</tbody>
        </table>`}
  </section>`;
}
