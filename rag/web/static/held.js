/** Removals that wait for a person: how many, where, why; carried out only once that was read and said yes to. */

import { send } from "./stream.js";
import { element, language, say } from "./texts.js";

const part = (id) => document.getElementById(id);
const dialog = part("confirm");
const list = part("held-list");
const yes = part("confirm-yes");

let asked = null;

/** Show what is held; `renew` is called once something was confirmed. */
export function offer(sources, renew) {
  const held = sources.filter((source) => source.held > 0);
  part("held").hidden = held.length === 0;
  if (dialog.open) return; // what is being read stays as it is
  const shown = JSON.stringify(held.map(({ name, held: count, documents }) => [name, count, documents]));
  if (list.dataset.shown === shown) return; // nothing new: the keyboard stays where it is
  list.dataset.shown = shown;
  list.replaceChildren(...held.map((source) => item(source, renew)));
}

function item(source, renew) {
  const made = element("li");
  made.append(element("span", "", sentence("held_in", source)));
  const button = made.appendChild(element("button", "quiet", say("held_look")));
  button.type = "button";
  button.setAttribute("aria-label", `${say("held_look")}: ${source.name}`);
  button.addEventListener("click", () => ask(source, renew));
  return made;
}

function ask(source, renew) {
  asked = { source, renew };
  part("confirm-title").textContent = sentence("confirm_title", source);
  part("confirm-says").textContent = sentence("confirm_says", source);
  part("confirm-fault").textContent = "";
  yes.textContent = sentence("confirm_yes", source);
  yes.disabled = false;
  dialog.showModal();
  part("confirm-no").focus();
}

part("confirm-no").addEventListener("click", () => dialog.close());
yes.addEventListener("click", async () => {
  const { source, renew } = asked;
  yes.disabled = true;
  try {
    await send(`/api/sources/${encodeURIComponent(source.name)}/confirm-removals`, { held: source.held });
    part("told").textContent = sentence("confirmed", source);
    dialog.close();
    await renew();
  } catch (problem) {
    part("confirm-fault").textContent = problem.detail;
    yes.disabled = false;
  }
});

function sentence(key, { name, held, documents }) {
  const n = (number) => number.toLocaleString(language);
  return say(key, { n: n(held), of: n(documents), source: name });
}
