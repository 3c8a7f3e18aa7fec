/** The source panel: a document around a passage, with the words that are cited marked. A page of a PDF is shown as a
 * picture, everything else, and whatever cannot be shown so, as its text. */

import { copy } from "./copying.js";
import { Picture } from "./picture.js";
import { documentText } from "./stream.js";
import { age, day, path, place, say } from "./texts.js";
import { around, paint, unit } from "./writing.js";

const panel = document.getElementById("panel");
const title = document.getElementById("panel-title");
const where = document.getElementById("panel-where");
const note = document.getElementById("panel-note");
const page = document.getElementById("panel-text");
const whole = document.getElementById("panel-whole");
const original = document.getElementById("panel-original");
const address = document.getElementById("panel-path");
const narrow = window.matchMedia("(max-width: 760px)");
const picture = new Picture(panel, (why) => (note.textContent = [why, note.textContent].filter(Boolean).join(" ")));

const BEGINNING = 8000; // characters of a document that is opened without a passage

let opener = null;
let shown = null;

/** Open the source of a citation or passage, or a document: then it has no `span`. `passage` holds its words as they were
 * when the answer was made. */
export async function open(cited, passage, from) {
  opener?.setAttribute("aria-expanded", "false");
  opener = from;
  opener.setAttribute("aria-expanded", "true");
  const wanted = { cited, passage };
  shown = wanted;
  title.textContent = cited.title;
  where.textContent = place(cited);
  address.textContent = path(cited.uri);
  note.textContent = say("loading");
  original.hidden = true;
  page.replaceChildren();
  picture.close();
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
  panel.close(); // gives the keyboard back to whatever had it when the panel opened first
  left();
}

/** After closing, at once; the browser's own event comes later, and alone where the browser closed it. */
function left() {
  if (panel.open || !shown) return;
  document.body.classList.remove("reading");
  shown = null;
  picture.close();
  opener?.setAttribute("aria-expanded", "false");
  if (opener?.isConnected) opener.focus();
}

panel.addEventListener("close", left);
document.getElementById("panel-close").addEventListener("click", close);
document.getElementById("panel-copy").addEventListener("click", (event) => copy(address.textContent, event.target));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") close();
});

function show(found, wanted) {
  const { cited } = wanted;
  where.textContent = [place(cited), say("modified", { date: day(found.modified) })].filter(Boolean).join(" · ");
  original.href = `/api/documents/${encodeURIComponent(cited.key)}/original`;
  original.hidden = false;
  const headings = new Set(found.sections.flatMap((one) => one.headings));
  const [start, end] = (cited.span ?? [0, 0]).map((point) => unit(found.text, point));
  const words = cited.span ? (cited.quote ?? cited.text) : "";
  if (found.text.slice(start, end) !== words) return showPassage(wanted, say("changed"));
  note.textContent = age(cited);
  const mark = { start, end, soft: !cited.quote, headings };
  const [from, to] = cited.span ? around(found, start, end) : [0, Math.min(BEGINNING, found.text.length)];
  whole.hidden = from === 0 && to === found.text.length;
  whole.onclick = () => {
    whole.hidden = true;
    paint(page, found.text, 0, found.text.length, mark);
  };
  paint(page, found.text, from, to, mark);
  if (pictured(cited) && !cited.as_of) picture.show(cited, found, words);
}

/** The document cannot be shown: the passage itself, as the answer brought it. */
function showPassage({ cited, passage }, why) {
  note.textContent = [why, age(cited)].filter(Boolean).join(" ");
  const text = passage?.text ?? cited.quote ?? cited.text ?? "";
  const start = cited.quote ? text.indexOf(cited.quote) : 0;
  const mark = { start, end: start + (cited.quote ?? text).length, soft: !cited.quote };
  paint(page, text, 0, text.length, mark);
}

/** Whether it is a PDF, which alone has pictures of its pages. */
function pictured({ document_id }) {
  return /\.pdf$/i.test(document_id);
}
