/** A page of a PDF as a picture in the source panel, with the passage marked, and the pages before and after it. The text
 * stays one press away, and takes its place where the picture cannot be had. */

import { get } from "./stream.js";
import { element, say } from "./texts.js";

const SVG = "http://www.w3.org/2000/svg";
const ABOVE = 90; // pixels left above the mark
const TEXT_DOES = ["no_page_pictures", "page_not_shown"]; // nothing is missed where the text stands instead

export class Picture {
  /** `tell` says in the panel's note what could not be shown. */
  constructor(panel, tell) {
    const part = (name) => document.getElementById(name);
    Object.assign(this, { panel, tell, frame: part("panel-picture"), text: part("panel-text"), views: part("panel-views") });
    Object.assign(this, { before: part("picture-before"), after: part("picture-after"), number: part("picture-number") });
    this.buttons = { picture: part("view-picture"), text: part("view-text") };
    this.buttons.picture.addEventListener("click", () => this.view("picture"));
    this.buttons.text.addEventListener("click", () => this.view("text"));
    this.before.addEventListener("click", () => this.turn(this.page - 1));
    this.after.addEventListener("click", () => this.turn(this.page + 1));
    this.zoom = part("picture-zoom");
    this.zoom.addEventListener("click", () => this.enlarge(!this.frame.classList.contains("large")));
    this.close();
  }

  /** Show the page of a citation, or the first of a document; `words` are those of its span. */
  show(cited, found, words) {
    this.wanted = { cited, found, words };
    this.pages = Math.max(1, ...found.sections.map(({ page }) => page ?? 1));
    this.views.hidden = false;
    this.view("picture");
    this.turn(cited.page ?? 1);
  }

  /** Only the text is left. */
  close() {
    this.wanted = null;
    this.views.hidden = true;
    this.frame.replaceChildren();
    this.view("text");
  }

  view(name) {
    this.frame.hidden = name !== "picture";
    this.zoom.hidden = name !== "picture";
    this.text.hidden = name !== "text";
    this.panel.classList.toggle("pictured", name === "picture");
    for (const [one, button] of Object.entries(this.buttons)) button.setAttribute("aria-pressed", String(one === name));
    if (name === "text") this.text.querySelector("mark")?.scrollIntoView({ block: "center" });
  }

  enlarge(large) {
    this.frame.classList.toggle("large", large);
    this.zoom.setAttribute("aria-pressed", String(large));
    this.toMark();
  }

  async turn(page) {
    const { wanted } = this;
    this.page = page;
    this.count();
    if (this.frame.hidden) this.view("picture");
    const image = element("img");
    try {
      const both = await Promise.allSettled([this.marks(wanted, page), loaded(image, address(wanted.cited, page))]);
      const failed = both.find(({ status }) => status === "rejected"); // the marks' says more than the picture's
      if (failed) throw failed.reason;
      if (this.wanted === wanted && this.page === page) this.put(image, both[0].value, page);
    } catch (problem) {
      if (this.wanted !== wanted || this.page !== page) return;
      this.close();
      if (!TEXT_DOES.includes(problem.code)) this.tell(problem.status ? problem.detail : say("no_picture"));
    }
  }

  count() {
    this.number.textContent = say("picture_of", { n: this.page, of: this.pages });
    this.before.disabled = this.page <= 1;
    this.after.disabled = this.page >= this.pages;
  }

  /** Where the passage stands on a page; nothing is asked where it does not. */
  async marks({ cited, found, words }, page) {
    if (!words) return null;
    const [start, end] = cited.span;
    const here = ({ span, page: number }) => number === page && span[0] < end && span[1] > start;
    if (page !== cited.page && !found.sections.some(here)) return null;
    const marks = await get(`${pages(cited)}/${page}/marks?span=${start}-${end}`);
    this.pages = Math.max(marks.pages, 1);
    return marks;
  }

  put(image, marks, page) {
    this.count();
    const boxes = marks?.boxes ?? [];
    image.alt = say(boxes.length ? "picture" : "picture_unmarked", { n: page });
    const sheet = element("div", "sheet");
    sheet.append(image, drawn(boxes));
    this.frame.replaceChildren(sheet);
    if (marks && !boxes.length) this.frame.prepend(element("p", "aside", say("no_mark")));
    this.corner = boxes.length && [Math.min(...boxes.map((box) => box[0])), Math.min(...boxes.map((box) => box[1]))];
    this.toMark();
  }

  toMark() {
    const image = this.frame.querySelector("img");
    if (!image) return;
    const [left, top] = this.corner || [0, 0];
    this.frame.scrollTo(left * image.clientWidth - ABOVE, top * image.clientHeight - ABOVE);
  }
}

function pages({ key }) {
  return `/api/documents/${encodeURIComponent(key)}/pages`;
}

function address(cited, page) {
  return `${pages(cited)}/${page}?width=${window.devicePixelRatio > 1.5 ? 1600 : 1000}`;
}

function loaded(image, source) {
  return new Promise((resolve, reject) => {
    image.addEventListener("load", resolve);
    image.addEventListener("error", () => reject(new Error("no picture")));
    image.src = source;
  });
}

/** The boxes over the picture: fractions of it, so that they fit at any size. */
function drawn(boxes) {
  const made = document.createElementNS(SVG, "svg");
  for (const [name, value] of [["viewBox", "0 0 1 1"], ["preserveAspectRatio", "none"], ["aria-hidden", "true"]]) {
    made.setAttribute(name, value);
  }
  for (const [left, top, right, bottom] of boxes) {
    const box = made.appendChild(document.createElementNS(SVG, "rect"));
    const sides = { x: left, y: top, width: right - left, height: bottom - top };
    for (const [name, value] of Object.entries(sides)) box.setAttribute(name, String(value));
  }
  return made;
}
