/** The source panel: a document's text around a passage, with the words that are cited marked. */

import { documentText } from "./stream.js";
import { age, copy, element, language, path, place, say } from "./texts.js";

const panel = document.getElementById("panel");
const title = document.getElementById("panel-title");
const where = document.getElementById("panel-where");
const note = document.getElementById("panel-note");
const page = document.getElementById("panel-text");
const whole = document.getElementById("panel-whole");
const address = document.getElementById("panel-path");
const narrow = window.matchMedia("(max-width: 760px)");

const AROUND = 700; // characters shown before and after, at least
const MOST = 2600; // of a long section, before and after

let opener = null;
let shown = null;

/** Open the source of a citation or passage. `passage` holds its words as they were when the answer was made. */
export async function open(cited, passage, from) {
  opener?.removeAttribute("aria-expanded");
  opener = from;
  opener.setAttribute("aria-expanded", "true");
  const wanted = { cited, passage };
  shown = wanted;
  title.textContent = cited.title;
  where.textContent = place(cited);
  address.textContent = path(cited.uri);
  note.textContent = say("loading");
  page.replaceChildren();
  whole.hidden = true;
  if (!panel.open) narrow.matches ? panel.showModal() : panel.show();
  document.body.classList.add("reading");
  title.focus();
  try {
    const document_ = await documentText(cited.key);
    if (shown === wanted) show(document_, wanted);
  } catch (problem) {
    if (shown === wanted) showPassage(wanted, problem.status === 404 ? say("gone") : problem.detail);
  }
}

/** Close the panel; the keyboard goes back to where it came from. */
export function close() {
  if (!panel.open) return;
  panel.close();
}

panel.addEventListener("close", () => {
  document.body.classList.remove("reading");
  shown = null;
  opener?.setAttribute("aria-expanded", "false");
  if (opener?.isConnected) opener.focus();
});
document.getElementById("panel-close").addEventListener("click", close);
document.getElementById("panel-copy").addEventListener("click", (event) => copy(address.textContent, event.target));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") close();
});

function show(found, wanted) {
  const { cited } = wanted;
  const [start, end] = cited.span.map((point) => unit(found.text, point));
  const words = cited.quote ?? cited.text;
  if (found.text.slice(start, end) !== words) return showPassage(wanted, say("changed"));
  const modified = new Date(found.modified).toLocaleDateString(language, { dateStyle: "medium" });
  where.textContent = [place(cited), say("modified", { date: modified })].filter(Boolean).join(" · ");
  note.textContent = age(cited);
  const mark = { start, end, soft: !cited.quote, headings: new Set(found.sections.flatMap((one) => one.headings)) };
  const [from, to] = around(found, start, end);
  whole.hidden = from === 0 && to === found.text.length;
  whole.onclick = () => {
    whole.hidden = true;
    paint(found.text, 0, found.text.length, mark);
  };
  paint(found.text, from, to, mark);
}

/** The document cannot be shown: the passage itself, as the answer brought it. */
function showPassage({ cited, passage }, why) {
  note.textContent = [why, age(cited)].filter(Boolean).join(" ");
  const text = passage?.text ?? cited.quote ?? cited.text;
  const start = cited.quote ? text.indexOf(cited.quote) : 0;
  const mark = { start, end: start + (cited.quote ?? text).length, soft: !cited.quote };
  paint(text, 0, text.length, mark);
}

/** The section around a stretch of text: never much less than AROUND, never much more than MOST on either side. */
function around({ text, sections }, start, end) {
  const spans = sections.map(({ span }) => span.map((point) => unit(text, point)));
  const inside = spans.filter(([from, to]) => from < end && to > start);
  let from = Math.min(start - AROUND, ...inside.map((span) => span[0]));
  let to = Math.max(end + AROUND, ...inside.map((span) => span[1]));
  from = Math.max(0, from, start - MOST);
  to = Math.min(text.length, to, end + MOST);
  const line = text.lastIndexOf("\n", from);
  const close_ = text.indexOf("\n", to);
  return [from === 0 || line < 0 ? 0 : line + 1, close_ < 0 ? text.length : close_];
}

/** Spans count code points, strings here count UTF-16 units. */
function unit(text, point) {
  let at = 0;
  for (let left = point; left > 0 && at < text.length; left -= 1) at += text.codePointAt(at) > 0xffff ? 2 : 1;
  return at;
}

function paint(text, from, to, mark) {
  page.replaceChildren();
  if (from > 0) page.append(element("p", "cut", "…"));
  let table = null;
  for (let at = from; at < to; ) {
    const newline = text.indexOf("\n", at);
    const end = newline < 0 || newline > to ? to : newline;
    const line = text.slice(at, end);
    if (/^\s*\|.*\|\s*$/.test(line)) {
      table ??= page.appendChild(element("div", "table")).appendChild(element("table")).appendChild(element("tbody"));
      row(table, text, at, end, mark);
    } else {
      table = null;
      if (line.trim()) paragraph(text, line, at, end, mark);
    }
    at = end + 1;
  }
  if (to < text.length) page.append(element("p", "cut", "…"));
  page.querySelector("mark")?.scrollIntoView({ block: "center" });
}

function paragraph(text, line, at, end, mark) {
  const signs = /^#{1,6}\s+/.exec(line)?.[0].length ?? 0;
  const heading = signs > 0 || mark.headings?.has(line.trim());
  write(page.appendChild(element("p", heading ? "heading" : "")), text, at + signs, end, mark);
}

function row(table, text, at, end, mark) {
  const line = text.slice(at, end);
  if (/^[\s|:-]+$/.test(line)) return;
  const made = table.appendChild(element("tr"));
  let start = line.indexOf("|") + 1;
  for (let bar = line.indexOf("|", start); bar >= 0; bar = line.indexOf("|", start)) {
    write(made.appendChild(element("td")), text, at + start, at + bar, mark);
    start = bar + 1;
  }
}

/** A stretch of text, the part of it that is cited inside a mark. */
function write(parent, text, from, to, mark) {
  const start = Math.min(Math.max(mark.start, from), to);
  const end = Math.min(Math.max(mark.end, from), to);
  parent.append(text.slice(from, start));
  if (end > start) parent.append(element("mark", mark.soft ? "soft" : "", text.slice(start, end)));
  parent.append(text.slice(end, to));
}
