/** The sentences of the page in its language, and how figures are put into them. */

const SAID = JSON.parse(document.querySelector('meta[name="texts"]').content);

export const language = document.documentElement.lang;

/** The sentence of a key; `{n}` and the like are filled in. */
export function say(key, values = {}) {
  return SAID[`js.${key}`].replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** A new element with a class and a text. Text is always text: nothing on this page is ever read as HTML. */
export function element(name, className = "", text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

/** Where in a document something stands: its page and the innermost heading. */
export function place(of) {
  const parts = of.page ? [say("page", { n: of.page })] : [];
  const headings = of.headings.filter((heading) => heading !== of.title);
  return [...parts, ...headings.slice(-1)].join(" · ");
}

/** How old what stands there may be; empty while its source can be reached. */
export function age(of) {
  if (!of.as_of) return "";
  return say("as_of", { date: day(of.as_of) });
}

/** What a reader should know of a passage: a newer version, hidden characters. */
export function caution(of) {
  const parts = [];
  if (of.superseded_by) {
    const stated = of.modified ? `${say("stated", { date: day(of.modified) })}, ` : "";
    parts.push(stated + say("superseded", { document: of.superseded_by.split(/[:/]/).at(-1) }));
  }
  if (of.hidden_text) {
    const why = of.hidden_because.map((reason) => say(`hidden_${reason}`)).join(", ");
    parts.push(`${say("hidden_text")}: ${why}`);
  }
  return parts.join(" · ");
}

/** The date of a document in brackets. */
export function dated(of) {
  return of.modified ? ` (${day(of.modified)})` : "";
}

/** A day as this language writes it. */
export function day(iso) {
  return new Date(iso).toLocaleDateString(language, { dateStyle: "medium" });
}

/** A day and time as this language writes them. */
export function moment(iso) {
  return new Date(iso).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });
}

/** The path a person would look for, of a document's address. */
export function path(uri) {
  if (!uri.startsWith("file://")) return uri;
  try {
    return decodeURIComponent(uri.slice("file://".length));
  } catch {
    return uri;
  }
}
