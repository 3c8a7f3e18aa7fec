/** An answer for a mail or a note: as text, and as HTML with its markers raised, each with the list of its sources. */

import { age, element, path, place, say } from "./texts.js";

/** `answer` holds question, sentences, the notice under them, and how an unsupported sentence is tagged. */
export function plain({ question, sentences, notice, tag }) {
  const words = sentences.map(({ text, citations, supported }) => {
    const marks = citations.map(({ marker }) => `[${marker}]`).join("");
    return `${text} ${supported ? marks : `[${tag}]`}`;
  });
  const sources = cited(sentences).map((one) => `[${one.marker}] ${line(one)}\n    ${path(one.uri)}`);
  const parts = [question, words.join(" "), sources.length ? `${say("sources_head")}:\n${sources.join("\n")}` : "", notice];
  return parts.filter(Boolean).join("\n\n");
}

/** The same as HTML, built of elements and written out by the browser: no text becomes a tag. */
export function formatted({ question, sentences, notice, tag }) {
  const root = element("div");
  root.appendChild(element("p")).append(element("strong", "", question));
  const body = root.appendChild(element("p"));
  for (const { text, citations, supported } of sentences) {
    body.append(text);
    for (const { marker } of citations) body.append(element("sup", "", `[${marker}]`));
    if (!supported) body.append(" ", element("em", "", `[${tag}]`));
    body.append(" ");
  }
  const sources = cited(sentences);
  if (sources.length) root.append(element("p", "", `${say("sources_head")}:`));
  for (const one of sources) {
    const entry = root.appendChild(element("p", "", `[${one.marker}] ${line(one)}`));
    entry.append(element("br"), element("code", "", path(one.uri)));
  }
  root.append(element("p", "", notice));
  return new XMLSerializer().serializeToString(root);
}

/** Copy, and say so on the button for a moment. `rich` is HTML, if there is any. */
export async function copy(text, button, rich = "") {
  const before = button.dataset.label ?? button.textContent;
  button.dataset.label = before;
  const done = (await written(text, rich)) || copiedByEvent(text, rich);
  button.textContent = done ? say("copied") : say("copy_failed");
  setTimeout(() => (button.textContent = before), 1800);
}

function cited(sentences) {
  const found = new Map();
  for (const { citations } of sentences) for (const citation of citations) found.set(citation.marker, citation);
  return [...found.values()].sort((one, other) => one.marker - other.marker);
}

function line(one) {
  return `${[one.title, place(one), age(one)].filter(Boolean).join(", ")}: „${one.quote}“`;
}

async function written(text, rich) {
  try {
    if (!rich) await navigator.clipboard.writeText(text);
    else await navigator.clipboard.write([new ClipboardItem({ "text/plain": blob(text, "text/plain"), "text/html": blob(rich, "text/html") })]);
    return true;
  } catch {
    return false; // outside localhost and https there is no clipboard object
  }
}

function blob(text, type) {
  return new Blob([text], { type });
}

/** The way without that object: the browser's own copy, filled by us. */
function copiedByEvent(text, rich) {
  const area = element("textarea", "offscreen");
  area.value = text;
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  const focused = document.activeElement;
  area.select();
  const fill = (event) => {
    event.preventDefault();
    event.clipboardData.setData("text/plain", text);
    if (rich) event.clipboardData.setData("text/html", rich);
  };
  document.addEventListener("copy", fill, { once: true });
  const done = document.execCommand("copy");
  document.removeEventListener("copy", fill);
  area.remove();
  focused?.focus();
  return done;
}
