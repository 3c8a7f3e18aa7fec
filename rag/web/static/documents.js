/** The documents page: what is indexed of what the reader may read, with what failed and why. */

import { open } from "./panel.js";
import { follow } from "./progress.js";
import { get } from "./stream.js";
import { day, element, path, say } from "./texts.js";

const PAGE = 50;
const PAUSE_MS = 250; // after the last letter, before the list is asked for

const part = (id) => document.getElementById(id);
const form = part("wanted");
const [text, source, state, sort] = ["text", "source", "state", "sort"].map((name) => part(`wanted-${name}`));
const table = part("list");

let cursors = [""]; // of this page and those before it
let asked = 0;
let waiting = 0;

form.addEventListener("submit", (event) => {
  event.preventDefault();
  first();
});
form.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(first, PAUSE_MS);
});
part("before").addEventListener("click", () => turn(cursors.slice(0, -1)));
part("after").addEventListener("click", (event) => turn([...cursors, event.currentTarget.dataset.next]));
part("renew").addEventListener("click", () => turn(cursors));
part("clear").addEventListener("click", () => {
  form.reset();
  text.focus();
  first();
});

function first() {
  return load([""]);
}

async function turn(to) {
  await load(to);
  part("count").scrollIntoView({ block: "nearest" });
}

async function load(to) {
  const query = new URLSearchParams({ limit: PAGE, sort: sort.value });
  for (const [name, { value }] of Object.entries({ text, source, state })) if (value.trim()) query.set(name, value);
  remember(query);
  if (to.at(-1)) query.set("cursor", to.at(-1));
  const mine = (asked += 1);
  try {
    const found = await get(`/api/documents?${query}`);
    if (mine !== asked) return;
    cursors = to;
    part("fault").hidden = true;
    show(found);
  } catch (problem) {
    if (mine !== asked) return;
    part("fault").textContent = `${problem.title}. ${problem.detail}`;
    part("fault").hidden = false;
  }
}

function show({ documents, next, counts, sources }) {
  const filtered = Boolean(text.value.trim() || source.value || state.value);
  offer(Object.keys(sources));
  table.querySelector("tbody").replaceChildren(...documents.map(row));
  table.hidden = documents.length === 0;
  part("nothing").hidden = documents.length > 0 || filtered;
  part("unmatched").hidden = documents.length > 0 || !filtered;
  part("renew").hidden = true;
  const failed = counts.failed + counts.outdated;
  part("count").textContent = [say(`count_${counts.total === 1 ? "one" : "many"}`, { n: figure(counts.total) }), failed && say("count_failed", { n: figure(failed) })].filter(Boolean).join(", ");
  const from = (cursors.length - 1) * PAGE + 1;
  part("place").textContent = say("stretch", { from: figure(from), to: figure(from + documents.length - 1), of: figure(counts.total) });
  part("before").disabled = cursors.length === 1;
  part("after").disabled = !next;
  part("after").dataset.next = next ?? "";
  part("paging").hidden = cursors.length === 1 && !next;
}

function row(found) {
  const made = element("tr");
  const name = made.appendChild(element("th", "name"));
  name.scope = "row";
  name.append(found.state === "failed" ? element("span", "title", found.title) : opening(found));
  name.append(element("span", "where", path(found.uri)));
  const kind = found.type ? label(found.type) : "";
  name.append(element("span", "where within", [found.source, kind, day(found.modified)].filter(Boolean).join(" · ")));
  if (found.failure) name.append(element("span", "failure", `${found.failure.said} ${found.failure.advice}`));
  for (const value of [found.source, kind, day(found.modified)]) made.append(element("td", "beside", value));
  made.append(element("td", ""));
  made.lastChild.append(element("span", `state ${found.state}`, say(`state_${found.state}`)));
  return made;
}

function opening(found) {
  const made = element("button", "title", found.title);
  made.type = "button";
  made.setAttribute("aria-expanded", "false");
  const whole = { ...found, headings: [], page: null, span: null };
  made.addEventListener("click", () => open(whole, null, made));
  return made;
}

function label(type) {
  return type.includes("/") ? type : say(`type.${type}`);
}

function figure(number) {
  return number.toLocaleString(document.documentElement.lang);
}

/** The sources there are; what is chosen stays. */
function offer(names) {
  const before = source.value;
  const every = before && !names.includes(before) ? [before, ...names] : names;
  source.replaceChildren(source.options[0], ...every.map((name) => Object.assign(element("option", "", name), { value: name })));
  source.value = before;
}

/** The address says what is shown, so that it can be sent on. */
function remember(query) {
  const kept = new URLSearchParams(query);
  kept.delete("limit");
  if (kept.get("sort") === "path") kept.delete("sort");
  history.replaceState(null, "", kept.size ? `?${kept}` : location.pathname);
}

/** What the address asks for. */
function recall() {
  const given = new URLSearchParams(location.search);
  text.value = given.get("text") ?? text.value;
  if (given.get("source")) offer([given.get("source")]);
  for (const [name, control] of Object.entries({ source, state, sort })) if (given.get(name)) control.value = given.get(name);
  if (!sort.value) sort.value = "path";
}

recall();
first();
follow(() => (part("renew").hidden = false));
