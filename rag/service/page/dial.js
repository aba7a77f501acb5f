// Who is believed: CK-PLUG's alpha, from the documents (0) to the model's memory (1), or chosen at every token.
// It acts only where the documents make the model less sure, and not at all at 0.5.

import { byId } from "./dom.js";

const HINTS = [
  [0.2, "The documents are pressed hard where the two differ."],
  [0.45, "The documents are pressed where the two differ."],
  [0.5, "Neither is pressed: the documents are read as they stand."],
  [0.8, "Memory is heard where the documents make the model less sure."],
  [1, "Memory decides where the documents make the model less sure."],
];

/** Wire the controls. */
export function startDial() {
  byId("alpha").addEventListener("input", update);
  byId("auto").addEventListener("change", update);
  update();
}

/** The part of a request that the dial decides; "Automatic" is whatever the service does by default, as everywhere. */
export const dialOptions = () => (byId("auto").checked ? {} : { decoder: "ckplug", alpha: Number(byId("alpha").value) });

function update() {
  const slider = byId("alpha");
  const isAuto = byId("auto").checked;
  const alpha = Number(slider.value);
  const hint = HINTS.find(([limit]) => alpha <= limit)[1];
  slider.disabled = isAuto;
  slider.setAttribute("aria-valuetext", `${alpha.toFixed(2)}: ${hint}`);
  byId("dial-hint").textContent = isAuto ? "Weighed at every word by how far the two differ." : hint;
}
