/** Prometheus's text format, as far as the live panel needs it. */

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/** The samples of some workers' texts by metric: lists of {labels, value}. */
export function parse(texts) {
  const found = new Map();
  for (const text of texts) {
    for (const line of text.split("\n")) {
      const match = LINE.exec(line);
      if (!match) continue;
      const labels = Object.fromEntries([...(match[2] ?? "").matchAll(LABEL)].map(([, name, value]) => [name, value]));
      if (!found.has(match[1])) found.set(match[1], []);
      found.get(match[1]).push({ labels, value: Number(match[3]) });
    }
  }
  return found;
}

/** The sum of a metric's samples, of all workers, whose labels are these. */
export function sum(samples, name, wanted = {}) {
  const fits = ({ labels }) => Object.entries(wanted).every(([label, value]) => labels[label] === value);
  return (samples.get(name) ?? []).filter(fits).reduce((total, { value }) => total + value, 0);
}

/** Sums of a metric by one label. */
export function sumsBy(samples, name, label) {
  const sums = new Map();
  for (const { labels, value } of samples.get(name) ?? []) {
    sums.set(labels[label], (sums.get(labels[label]) ?? 0) + value);
  }
  return sums;
}

/** A histogram's cumulative counts by upper bound, in order. */
export function buckets(samples, name) {
  const sums = sumsBy(samples, `${name}_bucket`, "le");
  return [...sums].map(([bound, count]) => [bound === "+Inf" ? Infinity : Number(bound), count]).sort((a, b) => a[0] - b[0]);
}

/** A quantile of what came between two readings of a histogram, interpolated within its bucket; null where nothing came. */
export function quantile(share, before, after) {
  const counts = after.map(([bound, count], n) => [bound, count - (before[n]?.[1] ?? 0)]);
  const total = counts.at(-1)?.[1] ?? 0;
  if (total <= 0) return null;
  const rank = share * total;
  let [low, below] = [0, 0];
  for (const [bound, count] of counts) {
    if (count >= rank) return bound === Infinity ? low : low + (bound - low) * ((rank - below) / Math.max(count - below, 1e-9));
    [low, below] = [bound, count];
  }
  return low;
}
