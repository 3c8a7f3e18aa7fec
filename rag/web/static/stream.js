/** `POST /api/ask` as a stream of events. */

import { language, say } from "./texts.js";

/** What the service refused or could not do: `title` and `detail` are sentences for the reader. */
export class Problem extends Error {
  constructor({ title, detail, code = "", status = 0 }) {
    super(detail);
    Object.assign(this, { title, detail, code, status });
  }
}

const HEADERS = { "Accept-Language": language };

/** Ask, and give each event as `{name, data}`; ends after `done`. `scope` holds `sources` and `filters`, if any. Throws a
 * Problem, or AbortError when stopped. */
export async function* ask(question, conversation, scope, signal) {
  const response = await answered("/api/ask", {
    method: "POST",
    headers: { ...HEADERS, "Content-Type": "application/json", Accept: "text/event-stream" },
    body: JSON.stringify({ question, conversation, ...scope, stream: true, early: true }),
    signal,
  });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  let ended = false;
  while (!ended) {
    const { value, done } = await read(reader);
    ended = done;
    held += value ?? "";
    for (let end = held.indexOf("\n\n"); end >= 0; end = held.indexOf("\n\n")) {
      const event = parse(held.slice(0, end));
      held = held.slice(end + 2);
      if (event?.name === "error") throw new Problem(event.data);
      if (event) yield event;
      if (event?.name === "done") return;
    }
  }
  throw new Problem({ title: say("offline.title"), detail: say("cut") });
}

/** What a question can be limited to: names of `sources` and `types`; none where the service does not answer. */
export async function choices() {
  try {
    return await (await answered("/api/filters", { headers: HEADERS })).json();
  } catch {
    return { sources: [], types: [] };
  }
}

/** Send a form as JSON. Throws a Problem. */
export async function send(address, form) {
  const headers = { ...HEADERS, "Content-Type": "application/json" };
  const response = await answered(address, { method: "POST", headers, body: JSON.stringify(form) });
  return response.status === 204 ? null : response.json();
}

/** What an address says, as JSON. Throws a Problem. */
export async function get(address) {
  return (await answered(address, { headers: HEADERS })).json();
}

/** A document's text and sections. Throws a Problem. */
export async function documentText(key) {
  const response = await answered(`/api/documents/${encodeURIComponent(key)}/text`, { headers: HEADERS });
  return response.json();
}

async function answered(address, options) {
  let response;
  try {
    response = await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ title: say("offline.title"), detail: say("offline") });
  }
  if (response.ok) return response;
  const fallback = { title: say("offline.title"), detail: say("offline") };
  throw new Problem({ ...fallback, ...(await response.json().catch(() => ({}))), status: response.status });
}

async function read(reader) {
  try {
    return await reader.read();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return { done: true };
  }
}

function parse(block) {
  let name = "";
  let data = "";
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) name = line.slice(7);
    if (line.startsWith("data: ")) data += line.slice(6);
  }
  return name ? { name, data: JSON.parse(data) } : null;
}
