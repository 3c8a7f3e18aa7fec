// Signing in with a key. The field is empty before the key is on its way: it stays nowhere in the browser, and the form
// itself is never sent.

import { send } from "./stream.js";
import { say } from "./texts.js";

const SAID = { credential_refused: "key_refused", too_many_refused: "key_wait" };

const form = document.getElementById("sign-in");
const field = document.getElementById("key");
const fault = document.getElementById("fault");
const button = form.querySelector("button");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const key = field.value;
  field.value = "";
  fault.textContent = "";
  if (!key.trim() || button.disabled) return;
  button.disabled = true;
  try {
    await send("/api/login", { key });
    location.replace(form.dataset.next);
  } catch (problem) {
    fault.textContent = SAID[problem.code] ? say(SAID[problem.code]) : problem.detail;
    button.disabled = false;
    field.focus();
  }
});
