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
  return say("as_of", { date: new Date(of.as_of).toLocaleDateString(language, { dateStyle: "medium" }) });
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

/** Copy text and say so on the button for a moment. */
export async function copy(text, button) {
  const before = button.textContent;
  button.textContent = (await copied(text)) ? say("copied") : say("copy_failed");
  setTimeout(() => (button.textContent = before), 1800);
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copiedBySelection(text); // outside localhost and https there is no clipboard object
  }
}

function copiedBySelection(text) {
  const area = element("textarea", "offscreen");
  area.value = text;
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  const focused = document.activeElement;
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return done;
}
