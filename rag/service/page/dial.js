// Who is believed: from the documents (alpha 0) to the model's memory (1), or decided at every token.

import { byId } from "./dom.js";

const HINTS = [
  [0, "The documents win wherever they say anything."],
  [0.35, "Mostly the documents; a confident memory is heard."],
  [0.65, "Both are weighed alike."],
  [0.95, "Mostly the model's memory."],
  [1, "The model's memory wins, whatever the documents say."],
];

/** Wire the controls. */
export function startDial() {
  byId("alpha").addEventListener("input", update);
  byId("auto").addEventListener("change", update);
  update();
}

/** The part of a request that the dial decides. */
export const dialOptions = () => ({ decoder: "ckplug", alpha: byId("auto").checked ? "auto" : Number(byId("alpha").value) });

function update() {
  const slider = byId("alpha");
  const isAuto = byId("auto").checked;
  const alpha = Number(slider.value);
  const hint = HINTS.find(([limit]) => alpha <= limit)[1];
  slider.disabled = isAuto;
  slider.setAttribute("aria-valuetext", `${alpha.toFixed(2)}: ${hint}`);
  byId("dial-hint").textContent = isAuto ? "Decided at every token, by how sure each of the two is." : hint;
}
