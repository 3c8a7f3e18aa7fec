/** A document that a link from elsewhere names, as a bot in a chat posts it: ?document=KEY&span=START-END. Whoever opens
 * it has signed in, and is shown it if they may read it. */

import { open } from "./panel.js";
import { documentText } from "./stream.js";
import { element, say } from "./texts.js";
import { unit } from "./writing.js";

/** Open what the address names; nothing where it names nothing. `before` gets a button to open it again. */
export async function linked(before, fault) {
  const given = new URLSearchParams(location.search);
  const key = given.get("document");
  if (!key) return;
  try {
    const found = await documentText(key);
    const cited = { ...found, headings: [], page: null, span: null, ...placed(found, given.get("span")) };
    const button = element("button", "quiet linked", say("linked", { title: found.title }));
    button.type = "button";
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => open(cited, null, button));
    before.before(button);
    await open(cited, null, button);
  } catch (problem) {
    fault.textContent = problem.status === 404 ? say("linked_gone") : problem.detail;
  }
}

/** Where in the document the link leads; nowhere in particular where its text is another by now. */
function placed(found, span) {
  const [, from, to] = /^(\d{1,9})-(\d{1,9})$/.exec(span ?? "") ?? [];
  const [start, end] = [Number(from), Number(to)];
  const quote = from ? found.text.slice(unit(found.text, start), unit(found.text, end)) : "";
  if (!quote) return {};
  const section = found.sections.find((one) => one.span[0] <= start && start < one.span[1]);
  return { span: [start, end], quote, page: section?.page ?? null, headings: section?.headings ?? [] };
}
