/** One question and its answer on the page, from the first step to the last sentence. */

import { open } from "./panel.js";
import { Sources } from "./sources.js";
import { age, copy, element, path, place, say } from "./texts.js";

const PATIENCE_S = 6;
const templates = document.getElementById("outcomes").content;

export class Reply {
  constructor(question, retry) {
    this.question = question;
    this.root = document.getElementById("answer").content.cloneNode(true).firstElementChild;
    this.part("h2").textContent = question;
    this.sources = new Sources(this.part(".sources"));
    this.sentences = [];
    this.began = Date.now();
    this.foundAt = Infinity;
    this.clock = setInterval(() => this.tick(), 1000);
    this.part(".copy").addEventListener("click", (event) => copy(this.plain(), event.target));
    this.part(".again").addEventListener("click", () => retry(question));
    this.step("search", say("searching"));
    this.tick();
  }

  part(selector) {
    return this.root.querySelector(selector);
  }

  step(name, sentence) {
    this.root.dataset.step = name;
    this.part(".status").textContent = sentence;
  }

  tick() {
    const seconds = Math.round((Date.now() - this.began) / 1000);
    this.part(".elapsed").textContent = say("seconds", { n: seconds });
    if (Date.now() - this.foundAt > PATIENCE_S * 1000 && !this.sentences.length) {
      this.foundAt = Infinity;
      this.part(".status").textContent = say("patience");
    }
  }

  take({ name, data }) {
    if (name === "passages") this.found(data.passages);
    if (name === "sentence") this.sentence(data);
    if (name === "done") this.done(data);
  }

  found(passages) {
    this.foundAt = Date.now();
    this.sources.show(passages);
    const sentence = passages.length === 1 ? say("found_one") : say("found_many", { n: passages.length });
    this.step("write", sentence);
  }

  sentence(data) {
    this.sentences.push(data);
    const made = element("span", data.supported ? "sentence" : "sentence unsupported");
    made.append(element("span", "words", data.text));
    for (const citation of data.citations) made.append(this.citation(citation));
    if (!data.supported) made.append(templates.querySelector("[data-tag=unsupported]").cloneNode(true));
    this.part(".text").append(made, " ");
    this.sources.cite(data.citations);
  }

  citation(citation) {
    const made = element("button", "cite", String(citation.marker));
    made.type = "button";
    made.title = [citation.title, place(citation), age(citation)].filter(Boolean).join(" · ");
    made.setAttribute("aria-label", say("citation", { n: citation.marker, title: made.title }));
    made.setAttribute("aria-expanded", "false");
    made.addEventListener("click", () => open(citation, this.sources.holding(citation), made));
    return made;
  }

  done(answer) {
    this.answer = answer;
    this.end();
    this.root.dataset.outcome = answer.outcome;
    this.outcome(answer.outcome);
    this.notice(answer);
    const facts = [
      answer.model.name && say("model", { name: answer.model.name }),
      say("seconds", { n: (answer.timing_ms.total / 1000).toFixed(1) }),
      answer.receipt && say("receipt", { id: answer.receipt }),
    ];
    this.part(".meta").textContent = facts.filter(Boolean).join(" · ");
    this.part(".meta").hidden = false;
    this.part(".actions").hidden = false;
    this.part(".copy").hidden = this.sentences.length === 0;
    this.part(".again").hidden = answer.outcome !== "incomplete";
    if (answer.outcome === "answered") this.part(".status").textContent = say("ready");
    else this.part(".status").textContent = "";
  }

  outcome(name) {
    const told = templates.querySelector(`[data-outcome=${CSS.escape(name)}]`);
    if (!told) return;
    const [title, next] = told.children;
    this.tell(title.textContent, next.textContent);
    if (name === "nothing_found" && !this.sources.empty) {
      const nearest = this.part(".nearest");
      nearest.hidden = false;
      nearest.append(this.part(".sources"));
    }
  }

  tell(title, next) {
    this.part(".outcome-title").textContent = title;
    this.part(".outcome-next").textContent = next;
    this.part(".outcome").hidden = false;
    const after = this.answer?.outcome === "incomplete" || !this.answer;
    this.part(".text")[after ? "after" : "before"](this.part(".outcome"));
  }

  notice(answer) {
    if (!this.sentences.length) return;
    const unsupported = this.sentences.some((sentence) => !sentence.supported);
    const name = answer?.outcome === "extracts" ? "extracts" : unsupported ? "partly" : "written";
    this.part(".notice").textContent = templates.querySelector(`[data-notice=${name}]`).textContent;
    this.part(".notice").hidden = false;
  }

  /** The answer ended before it was complete: stopped, refused or lost. */
  broken({ title, detail }) {
    this.end();
    this.root.dataset.outcome = "broken";
    this.part(".status").textContent = "";
    this.part(".outcome").setAttribute("role", "alert");
    this.tell(title, detail);
    this.notice(null);
    this.part(".actions").hidden = false;
    this.part(".copy").hidden = this.sentences.length === 0;
  }

  end() {
    clearInterval(this.clock);
    this.root.dataset.step = "done";
  }

  /** Answer and sources as text for a mail or a note. */
  plain() {
    const words = this.sentences.map(({ text, citations, supported }) => {
      const marks = citations.map(({ marker }) => `[${marker}]`).join("");
      return `${text} ${supported ? marks : `[${templates.querySelector("[data-tag]").textContent}]`}`;
    });
    const cited = new Map();
    for (const { citations } of this.sentences) for (const citation of citations) cited.set(citation.marker, citation);
    const sources = [...cited.values()].map(
      (one) => `[${one.marker}] ${[one.title, place(one), age(one)].filter(Boolean).join(", ")}: „${one.quote}“\n    ${path(one.uri)}`,
    );
    const notice = this.part(".notice").textContent;
    return [this.question, words.join(" "), `${say("sources_head")}:\n${sources.join("\n")}`, notice].join("\n\n");
  }
}
