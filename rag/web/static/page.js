/** The question field: asks, shows the answer growing, can be stopped. */

import { chosen, fold, inWords, reset } from "./filters.js";
import { offer, remember } from "./history.js";
import { linked } from "./linked.js";
import { close } from "./panel.js";
import { Reply } from "./reply.js";
import { ask } from "./stream.js";
import { say } from "./texts.js";

const form = document.getElementById("ask");
const field = document.getElementById("question");
const send = document.getElementById("send");
const stop = document.getElementById("stop");
const fault = document.getElementById("fault");
const answers = document.getElementById("answers");

const fresh = document.getElementById("fresh");

const MAX_TURNS = 20; // what the service reads of a conversation; kept in this tab only

let running = null;
let turns = [];

fresh.addEventListener("click", () => {
  turns = [];
  fresh.hidden = true;
  field.focus();
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!running) start(field.value.trim());
});
field.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    form.requestSubmit();
  }
});
field.addEventListener("input", () => {
  fault.textContent = "";
  fit();
});
stop.addEventListener("click", () => running?.abort());
offer(again);
window.addEventListener("resize", fit);
fit();
linked(answers, fault);

async function start(question) {
  if (!question) {
    fault.textContent = say("empty_question");
    field.focus();
    return;
  }
  close();
  fold();
  document.getElementById("history").open = false;
  remember(question);
  document.body.classList.remove("fresh");
  document.getElementById("empty")?.remove();
  const reply = new Reply(question, inWords(), { again, wider });
  answers.prepend(reply.root);
  field.value = "";
  fit();
  busy(new AbortController());
  try {
    for await (const event of ask(question, turns.slice(-MAX_TURNS), chosen(), running.signal)) reply.take(event);
    turns.push(...reply.turns());
    fresh.hidden = false;
  } catch (problem) {
    reply.broken(problem.name === "AbortError" ? { title: say("stopped"), detail: "" } : problem);
  }
  busy(null);
}

function again(question) {
  if (!running) start(question);
}

/** The same question without filters. */
function wider(question) {
  if (running) return;
  reset();
  start(question);
}

function busy(controller) {
  const held = document.activeElement === send || document.activeElement === stop;
  running = controller;
  send.hidden = controller !== null;
  stop.hidden = controller === null;
  if (held) (controller ? stop : field).focus();
}

function fit() {
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}
