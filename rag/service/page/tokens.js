// One token of an answer: its tint, and the card with what both streams would have put there.

import { byId, h } from "./dom.js";

// Jensen-Shannon divergence is at most ln 2 (nats).
const MAX_JSD = Math.LN2;
// Below this a tint would only be noise.
const MIN_SHARE = 0.08;
// From here a line under the token says it too, for those who cannot tell the tint.
const FAR_SHARE = 0.4;

/** A token that shows `text`, all or a part of `piece`; `before` is the beginning of the word that it goes on with. */
export function tokenView(text, { piece, step, before }) {
  const share = Math.min(step.jsd / MAX_JSD, 1);
  const element = h("span", { className: share < FAR_SHARE ? "token" : "token is-far", tabIndex: -1 }, text);
  element.style.setProperty("--jsd", share < MIN_SHARE ? 0 : share.toFixed(3));
  const show = () => showCandidates(element, step, share, before, piece);
  element.addEventListener("pointerenter", show);
  element.addEventListener("focus", show);
  element.addEventListener("pointerleave", hideCandidates);
  element.addEventListener("blur", hideCandidates);
  return element;
}

function showCandidates(element, step, share, before, piece) {
  const box = byId("candidates");
  const row = (name, side, text, logprob) => [
    h("dt", { className: side }, name),
    h("dd", {}, h("code", {}, visible(text, before)), ` · gave “${before}${piece}” ${percent(Math.exp(logprob))}`),
  ];
  box.replaceChildren(
    h("dl", {},
      ...row("Documents", "of-documents", step.context_top, step.context_logprob),
      ...row("Memory", "of-memory", step.parametric_top, step.parametric_logprob)),
    h("p", {}, `Disagreement ${percent(share)}`),
  );
  box.hidden = false;
  element.setAttribute("aria-describedby", "candidates");
  place(box, element.getClientRects()[0]);
}

/** Above the token, or below it where there is no room; always inside the window. */
function place(box, token) {
  const { width, height } = box.getBoundingClientRect();
  const left = Math.max(8, Math.min(token.left, innerWidth - width - 8));
  const above = token.top - height - 8;
  box.style.transform = `translate(${left}px, ${above > 8 ? above : token.bottom + 8}px)`;
}

export function hideCandidates() {
  byId("candidates").hidden = true;
  document.querySelector("[aria-describedby=candidates]")?.removeAttribute("aria-describedby");
}

const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

/** A candidate as it would stand in the text; one that begins with a space begins a word of its own. */
function visible(text, before) {
  if (text === "") return "(end)";
  if (!text.trim()) return "␣";
  return text === text.trimStart() ? before + text.trim() : text.trim();
}
