// Who is believed: the dial's alpha, from the documents (0) to the model's memory (1), or chosen at every token.
// At 0.5 the documents are read as they stand.

import { byId } from "./dom.js";

const HINTS = [
  [0.2, "The documents are pressed where memory would say something else."],
  [0.45, "The documents are pressed a little where memory would say something else."],
  [0.5, "Neither is pressed: the documents are read as they stand."],
  [0.95, "Memory has a say at every word, and the surer of the two decides."],
  [1, "Memory alone answers."],
];

/** Wire the controls. */
export function startDial() {
  byId("alpha").addEventListener("input", update);
  byId("auto").addEventListener("change", update);
  update();
}

/** The part of a request that the dial decides; "Automatic" is whatever the service does by default, as everywhere. */
export const dialOptions = () => (byId("auto").checked ? {} : { decoder: "dial", alpha: Number(byId("alpha").value) });

function update() {
  const slider = byId("alpha");
  const isAuto = byId("auto").checked;
  const alpha = Number(slider.value);
  const hint = HINTS.find(([limit]) => alpha <= limit)[1];
  slider.disabled = isAuto;
  slider.setAttribute("aria-valuetext", `${alpha.toFixed(2)}: ${hint}`);
  byId("dial-hint").textContent = isAuto ? "Memory has a say at every word that the documents leave open." : hint;
}
