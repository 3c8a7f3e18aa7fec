/** The question field: asks, shows the answer growing, can be stopped. */

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

let running = null;

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
window.addEventListener("resize", fit);
fit();

async function start(question) {
  if (!question) {
    fault.textContent = say("empty_question");
    field.focus();
    return;
  }
  close();
  document.body.classList.remove("fresh");
  document.getElementById("empty")?.remove();
  const reply = new Reply(question, again);
  answers.prepend(reply.root);
  field.value = "";
  fit();
  busy(new AbortController());
  try {
    for await (const event of ask(question, running.signal)) reply.take(event);
  } catch (problem) {
    reply.broken(problem.name === "AbortError" ? { title: say("stopped"), detail: "" } : problem);
  }
  busy(null);
}

function again(question) {
  if (!running) start(question);
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
