// One line of news at the foot of the page, with one thing that can be done about it.

import * as api from "./api.js";
import { byId, h } from "./dom.js";

let timer = 0;
let expire = null;

/**
 * Say something. `action` is `[label, run]`; `onExpire` runs when the line goes without it: by time, by other news, or
 * with the page.
 */
export function notify(text, { action, onExpire, seconds = 8, isError = false } = {}) {
  settle();
  const box = byId("notice");
  box.replaceChildren(h("span", {}, text));
  box.classList.toggle("is-error", isError);
  if (action) {
    const [label, run] = action;
    const act = () => {
      expire = null;
      hide();
      run();
    };
    box.append(h("button", { type: "button", onclick: act }, label));
  }
  box.append(h("button", { type: "button", className: "quiet", onclick: () => settle() }, "Dismiss"));
  box.hidden = false;
  expire = onExpire ?? null;
  if (!isError) timer = setTimeout(settle, seconds * 1000);
  return box.querySelector("button");
}

/** Say what went wrong, and offer what may help. */
export function report(error) {
  const isRefused = error.status === 403;
  notify(error.message, { isError: true, action: isRefused && api.currentKey() ? useAnotherKey : undefined });
}

const useAnotherKey = ["Use another key", async () => {
  await api.changeKey();
  document.dispatchEvent(new Event("concord:key"));
}];

/** Do now what would be done when the line goes. Returns when it is done. */
export async function settle() {
  const run = expire;
  expire = null;
  hide();
  await run?.();
}

function hide() {
  clearTimeout(timer);
  byId("notice").hidden = true;
}

addEventListener("pagehide", () => settle());
