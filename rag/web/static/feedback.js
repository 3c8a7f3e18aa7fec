/** What a reader thinks of an answer: helpful, wrong or outdated, with a reason if they like. Kept with its receipt. */

import { send } from "./stream.js";
import { say } from "./texts.js";

/** Make the form of an answer work; `receipt` is the answer's. */
export function judged(form, receipt) {
  const why = form.querySelector(".why");
  const reason = form.querySelector("textarea");
  const thanks = form.querySelector(".thanks");
  const buttons = [...form.querySelectorAll("[value]")];
  let verdict = "";

  const tell = async () => {
    thanks.classList.remove("failed");
    try {
      await send("/api/feedback", { receipt, verdict, ...(reason.value.trim() && { reason: reason.value.trim() }) });
      thanks.textContent = say("thanks");
      return true;
    } catch (problem) {
      thanks.classList.add("failed");
      thanks.textContent = problem.detail;
      return false;
    }
  };

  for (const button of buttons) {
    button.addEventListener("click", () => {
      verdict = button.value;
      for (const one of buttons) one.setAttribute("aria-pressed", String(one === button));
      why.hidden = verdict === "helpful";
      if (verdict === "helpful") reason.value = "";
      else reason.focus();
      tell();
    });
  }
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!(await tell())) return;
    why.hidden = true;
    buttons.find((button) => button.value === verdict)?.focus();
  });
  form.hidden = false;
}
