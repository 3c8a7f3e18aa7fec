/** A document's text on the page: paragraphs, headings and tables, with the words that are cited in a mark. */

import { element } from "./texts.js";

const AROUND = 700; // characters shown before and after, at least
const MOST = 2600; // of a long section, before and after

/** The section around a stretch of text: never much less than AROUND, never much more than MOST on either side. */
export function around({ text, sections }, start, end) {
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
export function unit(text, point) {
  let at = 0;
  for (let left = point; left > 0 && at < text.length; left -= 1) at += text.codePointAt(at) > 0xffff ? 2 : 1;
  return at;
}

/** Show a stretch of the text in `page`; `mark` says where the mark is, if there is one. */
export function paint(page, text, from, to, mark) {
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
      if (line.trim()) paragraph(page, text, line, at, end, mark);
    }
    at = end + 1;
  }
  if (to < text.length) page.append(element("p", "cut", "…"));
  page.querySelector("mark")?.scrollIntoView({ block: "center" });
}

function paragraph(page, text, line, at, end, mark) {
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
