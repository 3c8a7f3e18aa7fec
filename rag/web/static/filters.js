/** What a question is limited to: the controls under the question field. What there is to choose is asked for once
 * they are opened, and holds only what the reader may read. */

import { choices } from "./stream.js";
import { element, language, say } from "./texts.js";

const details = document.getElementById("filters");
const summary = document.getElementById("narrowed");
const clear = document.getElementById("unfilter");
const [source, spoken, kind, since, path] = ["source", "language", "type", "since", "path"].map((name) =>
  document.getElementById(`filter-${name}`),
);

details.addEventListener("toggle", () => details.open && offer());
details.addEventListener("input", tell);
clear.addEventListener("click", () => {
  reset();
  source.focus();
});

/** As `POST /api/ask` takes them; empty where nothing is chosen. */
export function chosen() {
  const filters = {
    ...(spoken.value && { language: spoken.value }),
    ...(kind.value && { type: kind.value }),
    ...(since.value && { since: since.value }),
    ...(place() && { path: place() }),
  };
  return { ...(source.value && { sources: [source.value] }), ...(Object.keys(filters).length && { filters }) };
}

/** The same in words: the `source`, and one for each of the other `limits`. */
export function inWords() {
  const limits = [
    spoken.value && spoken.selectedOptions[0].textContent,
    kind.value && kind.selectedOptions[0].textContent,
    since.value && say("since", { date: new Date(since.value).toLocaleDateString(language, { dateStyle: "medium" }) }),
    place(),
  ];
  return { source: source.value, limits: limits.filter(Boolean) };
}

/** Make room for the answer; what is chosen still stands beside the word. */
export function fold() {
  details.open = false;
}

/** Choose nothing. */
export function reset() {
  for (const control of [source, spoken, kind, since, path]) control.value = "";
  tell();
}

function place() {
  return path.value.trim().replace(/^(\.?\/)+/, "");
}

function tell() {
  const { source: name, limits } = inWords();
  const words = [name, ...limits].filter(Boolean);
  summary.textContent = words.length ? `: ${words.join(" · ")}` : "";
  clear.hidden = words.length === 0;
}

async function offer() {
  const there = await choices();
  fill(source, there.sources, (name) => name);
  const label = (name) => (name.includes("/") ? name : say(`type.${name}`));
  fill(kind, there.types.sort((one, other) => label(one).localeCompare(label(other), language)), label);
  source.closest("p").hidden = there.sources.length < 2 && !source.value;
}

/** Offer these beside "all"; what is chosen stays. */
function fill(select, names, label) {
  const before = select.value;
  const options = names.map((name) => Object.assign(element("option", "", label(name)), { value: name }));
  select.replaceChildren(select.options[0], ...options);
  select.value = names.includes(before) ? before : "";
  tell();
}

tell(); // a browser that goes back fills in what was chosen
