/** One question and its answer on the page, from the first step to the last sentence. */

import { copy, formatted, plain } from "./copying.js";
import { judged } from "./feedback.js";
import { open } from "./panel.js";
import { searched } from "./searched.js";
import { Sources } from "./sources.js";
import { age, caution, dated, element, language, place, say } from "./texts.js";

const PATIENCE_S = 6;
const BECAUSE = {
  model_too_slow: "_too_slow",
  answer_too_long: "_long",
  model_thought_too_long: "_thought",
  prompt_too_long: "_overflow",
  model_changed: "_changed",
};
const QUOTED = /["„“”»«].*["„“”»«]/;
const templates = document.getElementById("outcomes").content;

export class Reply {
  /** `scope` says in words what the question is limited to: its `source`, and the other `limits`; `again` and `wider` ask it once more, wider without that. */
  constructor(question, scope, { again, wider }) {
    this.question = question;
    this.scope = scope;
    this.root = document.getElementById("answer").content.cloneNode(true).firstElementChild;
    this.part("h2").textContent = question;
    this.words = [scope.source, ...scope.limits].filter(Boolean);
    this.part(".scope").textContent = this.words.length ? say("scope", { filters: this.words.join(" · ") }) : "";
    this.sources = new Sources(this.part(".sources"));
    this.sentences = [];
    this.passages = { passages: [], evidence: 0 };
    this.began = Date.now();
    this.foundAt = Infinity;
    this.clock = setInterval(() => this.tick(), 1000);
    this.part(".copy").addEventListener("click", (event) => this.copy(event.target));
    this.part(".again").addEventListener("click", () => again(question));
    this.part(".wider").addEventListener("click", () => wider(question));
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
    if (name === "passages") this.found(data);
    if (name === "queue") this.queued(data);
    if (name === "thinking") this.thinking(data);
    if (name === "sentence") this.sentence(data);
    if (name === "done") this.done(data);
  }

  /** Shown as soon as they are found; how likely they answer is known when they have been read. */
  found(data) {
    const { passages, settled } = data;
    this.sources.show(passages);
    if (!settled) return this.step("search", say("reading", { n: passages.length }));
    this.passages = data;
    this.foundAt = Date.now();
    this.foundText = passages.length === 1 ? say("found_one") : say("found_many", { n: passages.length });
    this.step("write", this.foundText);
  }

  /** Others are answered first; at place 0 the turn has come. */
  queued({ position, of }) {
    this.foundAt = position ? Infinity : Date.now();
    this.part(".status").textContent = position ? say("queue", { position, of }) : this.foundText;
  }

  /** The model thinks before it writes; `over` when it has begun to write. */
  thinking({ over }) {
    this.foundAt = over ? Date.now() : Infinity;
    this.part(".status").textContent = over ? this.foundText : say("thinking");
  }

  sentence(data) {
    this.sentences.push(data);
    const made = element("span", data.supported ? "sentence" : "sentence unsupported");
    made.append(element("span", "words", cells(data.text)));
    for (const citation of data.citations) made.append(this.citation(citation));
    if (!data.supported) made.append(templates.querySelector("[data-tag=unsupported]").cloneNode(true));
    this.part(".text").append(made, " ");
    this.sources.cite(data.citations);
  }

  citation(citation) {
    const made = element("button", "cite", String(citation.marker));
    made.type = "button";
    made.title = [citation.title, place(citation), age(citation), caution(citation)].filter(Boolean).join(" · ");
    made.setAttribute("aria-label", say("citation", { n: citation.marker, title: made.title }));
    made.setAttribute("aria-expanded", "false");
    made.addEventListener("click", () => open(citation, this.sources.holding(citation), made));
    return made;
  }

  done(answer) {
    this.answer = answer;
    this.end();
    this.root.dataset.outcome = answer.outcome;
    this.outcome(answer.outcome + (BECAUSE[answer.reason] ?? ""));
    this.notice(answer);
    this.remarks(answer);
    const facts = [
      answer.model.name && say("model", { name: answer.model.name }),
      say("seconds", { n: tenths(answer.timing_ms.total) }),
      answer.receipt && say("receipt", { id: answer.receipt }),
    ];
    this.part(".meta").textContent = facts.filter(Boolean).join(" · ");
    this.part(".meta").hidden = false;
    this.part(".actions").hidden = false;
    this.part(".copy").hidden = this.sentences.length === 0;
    this.part(".again").hidden = answer.outcome !== "incomplete";
    if (answer.receipt) judged(this.part(".feedback"), answer.receipt);
    searched(this.part(".searched"), { question: answer.asked || this.question, scope: this.scope, found: this.passages });
    this.part(".wider").hidden = this.words.length === 0 || !["nothing_found", "unsupported"].includes(answer.outcome);
    if (answer.outcome === "answered") this.part(".status").textContent = say("ready");
    else this.part(".status").textContent = "";
  }

  /** What else there is to know: how a follow-up was read, what was not held word for word or left out, where documents disagree. */
  remarks(answer) {
    const side = (one) => `„${one.quote}“ (${one.title})${dated(one)}`;
    const said = (answer.disagreements ?? []).map(([one, other]) => say("disagree", { one: side(one), other: side(other) }));
    const unquoted = (answer.unquoted ?? []).map((phrase) => `„${phrase}“`).join(say("and"));
    if (unquoted) said.unshift(say("unquoted", { phrases: unquoted }));
    else if (answer.outcome === "nothing_found" && !answer.passages.length && QUOTED.test(this.question)) said.unshift(say("quoted"));
    if (answer.asked && answer.asked !== answer.question) said.unshift(say("asked", { question: answer.asked }));
    if (answer.model.changed) said.push(say("model_changed"));
    if (answer.left_out) said.push(say("left_out", { n: answer.left_out }));
    this.part(".remarks").replaceChildren(...said.map((text) => element("p", "", text)));
    this.part(".remarks").hidden = said.length === 0;
  }

  /** The turns of this answer, for the next question. */
  turns() {
    const said = this.sentences.map(({ text }) => text).join(" ");
    const turns = [{ role: "user", content: this.answer?.asked || this.question }];
    if (said) turns.push({ role: "assistant", content: said.slice(0, 2000) });
    return turns;
  }

  outcome(name) {
    const told = templates.querySelector(`[data-outcome=${CSS.escape(name)}]`);
    if (!told) return;
    const [title, next] = told.children;
    this.tell(title.textContent, next.textContent);
    if (name !== "nothing_found") return;
    this.part(".outcome-ways").hidden = false;
    this.part(".searched").open = true;
    if (!this.sources.empty) {
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
  broken({ title, detail, status }) {
    this.end();
    this.root.dataset.outcome = "broken";
    this.part(".status").textContent = "";
    this.part(".outcome").setAttribute("role", "alert");
    this.tell(title, detail);
    this.part(".outcome-sign-in").hidden = status !== 401;
    this.notice(null);
    this.part(".actions").hidden = false;
    this.part(".copy").hidden = this.sentences.length === 0;
  }

  end() {
    clearInterval(this.clock);
    this.root.dataset.step = "done";
  }

  copy(button) {
    const notice = this.part(".notice").textContent;
    const tag = templates.querySelector("[data-tag]").textContent;
    const said = { question: this.question, sentences: this.sentences, notice, tag };
    copy(plain(said), button, formatted(said));
  }
}

function tenths(milliseconds) {
  return (milliseconds / 1000).toLocaleString(language, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
}

/** A row of a table reads as its cells, without the bars between them. */
function cells(text) {
  if (!/^\s*\|.*\|\s*$/.test(text)) return text;
  return text.split("|").map((cell) => cell.trim()).filter(Boolean).join(" · ");
}
