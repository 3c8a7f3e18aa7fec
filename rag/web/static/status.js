/** How the service is, for administrators: asked for again and again while the page is looked at. */

import { latency, outcomes } from "./charts.js";
import { offer } from "./held.js";
import { get } from "./stream.js";
import { element, language, moment, say } from "./texts.js";

const EVERY_MS = 5000;

const part = (id) => document.getElementById(id);
let day = null;

watch();
window.addEventListener("resize", draw);

async function watch() {
  for (;;) {
    if (!document.hidden) await renew();
    await new Promise((next) => setTimeout(next, EVERY_MS));
  }
}

async function renew() {
  try {
    const [now, recent] = await Promise.all([get("/api/status"), get("/api/recent")]);
    part("fault").hidden = true;
    part("asked-at").textContent = say("asked_at", { at: new Date().toLocaleTimeString(language) });
    show(now);
    if (JSON.stringify(recent) === JSON.stringify(day)) return;
    day = recent;
    draw();
  } catch (problem) {
    if (!problem.title) throw problem;
    part("fault").textContent = `${problem.title}. ${problem.detail}`;
    part("fault").hidden = false;
  }
}

function draw() {
  if (!day) return;
  outcomes(part("outcomes"), day.hours);
  latency(part("latency"), day.hours);
}

function show(now) {
  facts("model", model(now));
  facts("index", index(now));
  facts("queue", queue(now.queue));
  facts("egress", egress(now.guard));
  offer(now.sources, renew);
  part("sources").tBodies[0].replaceChildren(...now.sources.map(source));
  part("failures").hidden = now.failures.length === 0;
  part("failures-list").tBodies[0].replaceChildren(...now.failures.map(failure));
}

function model({ model: there, pins = [] }) {
  const more = [
    ...pins.map(({ key, problem }) => ["pin", problem || say("pin_holds", { key }), problem ? "bad" : ""]),
    ...(there.hosts ?? []).map((host) => [
      "host",
      `${host.number}. ${host.url}: ${host.problem || say("host_runs", { n: figure(host.running), of: figure(host.seats) })}`,
      host.problem ? "bad" : "",
    ]),
  ];
  if (!there.name) return [["model_none", there.problem || say("model_none_said"), "bad"], ...more];
  const use = there.use && say(`use_${there.use}`);
  return [
    ["name", there.name],
    ["digest", there.digest, "code"],
    ["licence", [there.licence, use].filter(Boolean).join(" · "), ["research", "unknown"].includes(there.use) ? "bad" : ""],
    ["runtime", there.runtime],
    ...more,
  ];
}

function index({ index: { documents, failed, chunks }, embedder: embedding }) {
  const moving = embedding.coming && say("embedded_of", { n: figure(embedding.embedded), of: figure(embedding.texts) });
  return [
    ["documents", figure(documents)],
    ["failed", figure(failed ?? 0), failed ? "bad" : ""],
    ["passages", figure(chunks)],
    ["embedder", [embedding.model, embedding.licence].filter(Boolean).join(" · ")],
    ["embedder_coming", moving],
    ["problem", embedding.problem, "bad"],
  ];
}

function queue(there) {
  if (!there) return [["waiting", say("queue_none")]];
  return [["running", `${figure(there.running)} / ${figure(there.slots)}`], ["waiting", figure(there.waiting)]];
}

function egress(there) {
  if (!there?.guard) return [["guard", say("guard_off"), "bad"]];
  const stopped = there.stopped_in_python + (there.stopped_by_kernel ?? 0);
  return [
    ["guard", say("guard_on")],
    ["kernel", say(there.active ? "kernel_on" : "kernel_off"), there.active ? "" : "bad"],
    ["stopped", figure(stopped), stopped ? "bad" : ""],
    ["endpoints", there.endpoints.join(", ") || say("endpoints_none"), "code"],
  ];
}

/** Term and value; what is empty is left out. */
function facts(id, rows) {
  const made = rows.filter(([, value]) => value !== undefined && value !== null && value !== "" && value !== false);
  part(id).replaceChildren(
    ...made.flatMap(([name, value, kind]) => [element("dt", "", say(`fact_${name}`)), element("dd", kind ?? "", String(value))]),
  );
}

function source(found) {
  const row = element("tr");
  const name = row.appendChild(element("th", "name"));
  name.scope = "row";
  name.append(element("span", "title", found.name), element("span", "where", found.path ?? ""));
  const reached = found.reached_at ? moment(found.reached_at) : say("never");
  const counts = `${say("counted", { n: figure(found.documents), failed: figure(found.failed) })} · ${say("fact_reached")} ${reached}`;
  name.append(element("span", "where within", counts));
  if (found.problem) name.append(element("span", "failure", found.problem));
  row.append(element("td", "number beside", figure(found.documents)), element("td", "number beside", figure(found.failed)));
  row.append(element("td", "beside", reached));
  const offline = Boolean(found.offline_since);
  const word = offline ? "source_away" : found.watched ? `watched_${found.watched}` : "unwatched";
  row.appendChild(element("td")).append(element("span", offline ? "state bad" : "state", say(word)));
  return row;
}

function failure({ said, advice, documents }) {
  const row = element("tr");
  const why = row.appendChild(element("th", "name"));
  why.scope = "row";
  why.append(element("span", "title", said), element("span", "where", advice));
  row.append(element("td", "number", figure(documents)));
  return row;
}

function figure(number) {
  return number.toLocaleString(language);
}
