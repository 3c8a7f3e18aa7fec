/** The list of passages found: there before the first word, numbered as the answer cites them. */

import { open } from "./panel.js";
import { age, caution, element, place, say } from "./texts.js";

const FIRST = 4;

export class Sources {
  constructor(root) {
    this.root = root;
    this.list = root.querySelector("ol");
    this.more = root.querySelector(".more");
    this.passages = [];
    this.more.addEventListener("click", () => this.all());
  }

  get empty() {
    return this.passages.length === 0;
  }

  /** Show them; what stands there in this order already is left alone, and with it where the keyboard is. */
  show(passages) {
    const before = this.passages.map(places).join();
    this.passages = passages;
    if (passages.length && before === passages.map(places).join()) return;
    this.items = passages.map((passage) => this.item(passage));
    this.list.replaceChildren(...this.items);
    this.items.slice(FIRST).forEach((item) => (item.hidden = true));
    this.root.hidden = this.empty;
    this.count();
  }

  item(passage) {
    const made = element("li");
    const button = made.appendChild(element("button", "source"));
    button.type = "button";
    button.setAttribute("aria-expanded", "false");
    button.append(element("span", "numbers"), element("span", "name", passage.title));
    const where = place(passage);
    if (where) button.append(element("span", "where", where));
    if (age(passage)) button.append(element("span", "age", age(passage)));
    if (caution(passage)) button.append(element("span", "age", caution(passage)));
    button.append(element("span", "snippet", beginning(passage)));
    button.addEventListener("click", () => open(passage, passage, button));
    return made;
  }

  /** The passage a citation's words stand in. */
  holding(citation) {
    const [start, end] = citation.span;
    return this.passages.find(({ key, span }) => key === citation.key && span[0] <= start && span[1] >= end);
  }

  /** Number the passages that a sentence cites. */
  cite(citations) {
    for (const citation of citations) {
      const item = this.items[this.passages.indexOf(this.holding(citation))];
      if (!item) continue;
      item.hidden = false;
      item.classList.add("cited");
      const numbers = item.querySelector(".numbers");
      const known = new Set(numbers.textContent.split(", ").filter(Boolean)).add(String(citation.marker));
      numbers.textContent = [...known].join(", ");
    }
    this.count();
  }

  all() {
    const first = this.items.find((item) => item.hidden);
    this.items.forEach((item) => (item.hidden = false));
    this.count();
    first?.querySelector("button").focus();
  }

  count() {
    const hidden = this.items.filter((item) => item.hidden).length;
    this.more.hidden = hidden === 0;
    this.more.textContent = say("more", { n: hidden });
  }
}

/** The first words of a passage, without the heading that stands above them already, and without the rules of a table. */
function beginning({ text, headings }) {
  const last = headings.at(-1) ?? "";
  const body = last && text.startsWith(last) ? text.slice(last.length) : text;
  return body.slice(0, 240).replace(/[#|*]+|:?-{3,}:?/g, " ").replace(/\s+/g, " ").trim();
}

function places({ key, span }) {
  return `${key}:${span}`;
}
