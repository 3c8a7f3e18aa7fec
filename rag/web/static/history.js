/** What was asked before, in this browser alone: questions, never answers, so that no text outlives the right to read
 * it. Another reader of the same browser finds none of it: theirs begins empty, and what was there is gone. */

import { element, language, say } from "./texts.js";

const KEY = "archivar.history";
const MOST = 50;
const DAYS = 30;
const LONGEST = 2000;

const reader = document.body.dataset.reader;
const list = document.getElementById("history-list");
const none = document.getElementById("history-none");
const count = document.getElementById("history-count");
const on = document.getElementById("history-on");
const clear = document.getElementById("history-clear");
const told = document.getElementById("history-told");

let ask = () => {};
let kept = null;
kept = load();

/** Offer the questions; `again` asks one of them. */
export function offer(again) {
  ask = again;
  show();
}

/** Keep a question, the newest first and each once. */
export function remember(question) {
  kept = load(); // another tab may have asked meanwhile
  if (!kept.on) return;
  kept.asked = [{ question, at: Date.now() }, ...kept.asked.filter((one) => one.question !== question)];
  save();
}

on.addEventListener("change", () => {
  kept = { on: on.checked, asked: [] };
  save();
  told.textContent = on.checked ? "" : say("history_off");
});
clear.addEventListener("click", () => {
  kept.asked = [];
  save();
  told.textContent = say("history_cleared");
  on.focus();
});
window.addEventListener("storage", (event) => {
  if (event.key !== KEY && event.key !== null) return;
  kept = load();
  show();
});

/** What is stored, of this reader and not too old; nothing else is believed of it. */
function load() {
  let stored = null;
  try {
    stored = JSON.parse(localStorage.getItem(KEY));
  } catch (problem) {
    if (!(problem instanceof SyntaxError) && kept) return kept; // no storage here
  }
  const asked = stored?.reader === reader && Array.isArray(stored.asked) ? stored.asked : [];
  const since = Date.now() - DAYS * 24 * 3600 * 1000;
  const good = ({ question, at }) => typeof question === "string" && question.length <= LONGEST && at > since;
  return { on: stored?.on !== false, asked: asked.filter((one) => one && good(one)).slice(0, MOST) };
}

function save() {
  kept.asked = kept.asked.slice(0, MOST);
  try {
    localStorage.setItem(KEY, JSON.stringify({ reader, ...kept }));
  } catch {
    // a browser that keeps nothing: the list lives as long as the page
  }
  show();
}

function show() {
  on.checked = kept.on;
  list.replaceChildren(...kept.asked.map(item));
  none.hidden = !kept.on || kept.asked.length > 0;
  clear.hidden = kept.asked.length === 0;
  count.textContent = kept.asked.length ? ` (${kept.asked.length})` : "";
}

function item({ question, at }) {
  const made = element("li");
  const button = made.appendChild(element("button", "past"));
  button.type = "button";
  button.setAttribute("aria-label", say("history_again", { question }));
  const day = new Date(at).toLocaleDateString(language, { day: "numeric", month: "short" });
  button.append(element("span", "asked-before", question), element("span", "when", day));
  button.addEventListener("click", () => ask(question));
  return made;
}

save(); // what is another reader's, or too old, is gone from here on
