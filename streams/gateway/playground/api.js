/** The gateway's paths, each as a function. What it refuses is thrown as `Refused`, in the gateway's own words. */

export class Refused extends Error {
  constructor(status, { code, message, field }) {
    super(field ? `${field}: ${message}` : message);
    this.status = status;
    this.code = code;
    this.field = field;
  }
}

async function read(response) {
  const body = await response.json();
  if (!response.ok) throw new Refused(response.status, body.error);
  return body;
}

const get = async (path, options) => read(await fetch(path, options));
const post = async (path, body, type = "application/json") =>
  read(await fetch(path, { method: "POST", body, headers: { "Content-Type": type } }));

export const about = () => get("about");
export const metrics = () => get("metrics");
export const ask = (query) => post("/v1/ask?timeout_ms=10000", JSON.stringify(query));
export const publish = (event) => post("/v1/events", JSON.stringify(event));

export async function suggest(text, signal) {
  const asked = new URLSearchParams({ text, limit: 8, timeout_ms: 5000 });
  return (await get(`/v1/suggest?${asked}`, { signal })).suggestions;
}

export function importTable(text, map, decimal) {
  return post(`import?${new URLSearchParams({ map, decimal })}`, text, "text/plain");
}

/** Follow server-sent events of one name; returns what ends that. */
export function follow(path, name, take) {
  const source = new EventSource(path);
  source.addEventListener(name, (event) => take(JSON.parse(event.data)));
  return () => source.close();
}
