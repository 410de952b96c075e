/** Lines over time or over versions, drawn by uPlot. */
import { html, useEffect, useRef } from "./ui.js";

const axis = (colour, grid) => ({ stroke: colour, grid: { stroke: grid, width: 1 }, ticks: { show: false }, font: "11px system-ui" });

/** Steps between versions, which are whole numbers. */
const WHOLE = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000];
const clock = (_, seconds) => seconds.map((at) => new Date(1000 * at).toLocaleTimeString([], { minute: "2-digit", second: "2-digit" }));

/**
 * `data`: [x, ...lines], each an array; `lines`: [name, variable of the style's colour] each. `time`: x is Unix seconds.
 */
export function Chart({ label, data, lines, time = true, height = 110, theme }) {
  const place = useRef(null);
  const plot = useRef(null);

  useEffect(() => {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const [ink, grid] = [colour("--muted"), colour("--line")];
    const options = {
      width: place.current.clientWidth || 300,
      height,
      cursor: { show: false },
      legend: { show: false },
      scales: { x: { time } },
      axes: [
        { ...axis(ink, grid), size: 24, ...(time ? { values: clock } : { incrs: WHOLE }) },
        { ...axis(ink, grid), size: 44 },
      ],
      series: [{}, ...lines.map(([name, stroke]) => ({ label: name, stroke: colour(stroke), width: 2, points: { show: data[0].length < 3 } }))],
    };
    plot.current = new window.uPlot(options, data, place.current);
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: place.current.clientWidth, height }));
    resized.observe(place.current);
    return () => {
      resized.disconnect();
      plot.current.destroy();
      plot.current = null;
    };
  }, [theme, lines.map(([name]) => name).join()]);

  useEffect(() => plot.current?.setData(data), [data]);

  return html`<figure class="chart">
    <figcaption>${label} ${lines.length > 1 && lines.map(([name, stroke]) => html`<span key=${name} class="key"
      style=${{ "--key": `var(${stroke})` }}>${name}</span>`)}</figcaption>
    <div ref=${place} aria-hidden="true"></div>
  </figure>`;
}
