"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const votes = new Map();
const CHOICES = ["left", "alike", "right"];
let at = 0;
let language = navigator.language.toLowerCase().startsWith("de") ? "de" : "en";
let saved = true;

const element = (id) => document.getElementById(id);
const text = (name) => data.texts[language][name];

function show() {
  document.documentElement.lang = language;
  document.title = text("title");
  for (const one of document.querySelectorAll("[data-text]")) one.textContent = text(one.dataset.text);
  element("other").textContent = text("other");
  element("other").lang = language === "de" ? "en" : "de";
  element("progress").textContent = text("progress").replace("{done}", votes.size).replace("{total}", data.pairings.length);
  element("kept").textContent = votes.size ? text(saved ? "saved" : "unsaved") : "";
  element("back").disabled = at === 0;
  element("save").disabled = votes.size === 0;
  const pairing = data.pairings[at];
  element("ballot").hidden = !pairing;
  element("finished").hidden = Boolean(pairing);
  if (!pairing) return;
  element("question").textContent = pairing.question;
  element("known").textContent = pairing.known;
  element("known-line").hidden = !pairing.known;
  for (const side of ["left", "right"]) element(side).textContent = pairing[side] || text("nothing");
  for (const choice of CHOICES) element("choose-" + choice).setAttribute("aria-pressed", String(votes.get(pairing.id) === choice));
}

function choose(choice) {
  if (at >= data.pairings.length) return;
  votes.set(data.pairings[at].id, choice);
  saved = false;
  at += 1;
  show();
}

function back() {
  if (at > 0) at -= 1;
  show();
}

function save() {
  const lines = [...votes].map(([id, choice]) => JSON.stringify({ ballot: data.ballot, pairing: id, choice }));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "application/jsonl" }));
  link.download = "votes-" + data.ballot + ".jsonl";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  saved = true;
  show();
}

for (const choice of CHOICES) element("choose-" + choice).addEventListener("click", () => choose(choice));
element("back").addEventListener("click", back);
element("save").addEventListener("click", save);
element("other").addEventListener("click", () => { language = language === "de" ? "en" : "de"; show(); });
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const act = { ArrowLeft: () => choose("left"), ArrowRight: () => choose("right"), ArrowDown: () => choose("alike"), ArrowUp: back }[event.key];
  if (act) { event.preventDefault(); act(); }
});
window.addEventListener("beforeunload", (event) => { if (!saved) event.preventDefault(); });
show();
