/** "What I searched": the question as it was read, where, under which limits, and how much came of it. */

import { element, say } from "./texts.js";

/** Fill the details of an answer. `scope` holds `source` and `limits` in words, `found` the event of the passages. */
export function searched(details, { question, scope, found }) {
  const limits = scope.limits.join(" · ");
  const facts = [
    ["searched_for", question],
    ["searched_in", scope.source || say("searched_everywhere")],
    ["searched_narrowed", limits || say("searched_not_narrowed")],
    ["searched_found", amount(found.passages)],
    found.passages.length && ["searched_evidence", say("searched_likely", { n: Math.round(found.evidence * 100) })],
  ];
  const list = details.querySelector("dl");
  list.replaceChildren();
  for (const [name, value] of facts.filter(Boolean)) list.append(element("dt", "", say(name)), element("dd", "", value));
  details.hidden = false;
}

function amount(passages) {
  const documents = new Set(passages.map(({ key }) => key)).size;
  if (passages.length < 2) return say(passages.length ? "searched_one" : "searched_none");
  return say(documents === 1 ? "searched_many_in_one" : "searched_many", { n: passages.length, documents });
}
