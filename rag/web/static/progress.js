/** How far the sources are being read, asked for again and again while the page is looked at. */

import { get } from "./stream.js";
import { element, moment, say } from "./texts.js";

const BUSY_MS = 1500;
const IDLE_MS = 10_000;

const section = document.getElementById("progress");
const list = document.getElementById("progress-list");
const told = document.getElementById("progress-told");

let before = new Map();

/** Show it until the page is left; `ended` is called when a source has been read. */
export async function follow(ended) {
  for (;;) {
    const sources = document.hidden ? null : await asked();
    if (sources) show(sources, ended);
    await new Promise((next) => setTimeout(next, sources?.some(({ reading }) => reading) ? BUSY_MS : IDLE_MS));
  }
}

async function asked() {
  try {
    return (await get("/api/progress")).sources;
  } catch {
    return null; // the list says so when it is asked for
  }
}

function show(sources, ended) {
  const busy = sources.filter(({ reading, offline_since }) => reading || offline_since);
  const finished = sources.filter(({ name, reading }) => before.get(name) && !reading);
  before = new Map(sources.map(({ name, reading }) => [name, reading]));
  section.hidden = busy.length === 0;
  list.replaceChildren(...busy.map(item));
  if (finished.length) {
    told.textContent = say("read", { sources: finished.map(({ name }) => name).join(", ") });
    ended();
  }
}

function item({ name, reading, reached }) {
  const made = element("li", "");
  made.append(element("span", "name", name));
  if (reading) {
    const bar = made.appendChild(element("progress"));
    bar.setAttribute("aria-label", name);
    if (reading.share || reading.done) bar.value = reading.total ? reading.done / reading.total : reading.share;
    made.append(element("span", "figure", far(reading)));
  } else {
    made.append(element("span", "offline", say("source_offline", { date: reached ? moment(reached) : say("never") })));
  }
  return made;
}

/** How far it is: in documents, where the reader may know how many there are. */
function far({ share, done, total }) {
  if (total) return say("reading_of", { n: done, of: total });
  return share ? say("reading_share", { n: Math.round(share * 100) }) : say("reading_list");
}
