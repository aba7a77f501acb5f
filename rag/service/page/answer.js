// One answer: its text tinted by conflict, what both streams would have said, the verdict, the citations.

import { byId, h, openDialog } from "./dom.js";
import { verdictView } from "./verdict.js";

// Jensen-Shannon divergence is at most ln 2 (nats).
const MAX_JSD = Math.LN2;
// Below this a tint would only be noise.
const MIN_SHARE = 0.08;
// From here a line under the token says it too, for those who cannot tell the tint.
const FAR_SHARE = 0.4;

/** An answer on its way; `element` is what is shown. */
export class AnswerView {
  constructor() {
    this.text = h("div", { className: "answer-text is-streaming" });
    this.waiting = h("p", { className: "waiting" }, "Reading the documents …");
    this.element = h("article", { className: "answer", "aria-label": "Answer", "aria-busy": "true" }, this.waiting);
    this.plain = "";
    this.text.addEventListener("keydown", (event) => this.#move(event));
  }

  /** Show the next piece; `step` says what both streams wanted there, if the service told. */
  add(piece, step) {
    if (!piece) return;
    if (this.waiting.isConnected) this.waiting.replaceWith(this.text);
    this.plain += piece;
    const word = piece.trimStart();
    this.text.append(piece.slice(0, piece.length - word.length));
    if (word) this.text.append(step ? token(word, step) : word);
  }

  /** Show what the service knows about the whole answer. */
  finish({ verdict, conflict, citations = [], patches = [], finish_reason, notice, timings, decoder }) {
    this.#settle();
    if (notice) this.element.append(h("p", { className: "meta" }, notice));
    if (finish_reason === "length") this.element.append(h("p", { className: "meta" }, "Cut off at the longest answer allowed."));
    if (verdict) this.element.append(verdictView(verdict, citations, (index) => openPassage(citations[index])));
    else if (conflict && hasDocuments({ citations, patches })) this.element.append(streamsDiffer(conflict));
    if (citations.length) this.element.append(citationList(citations));
    if (timings?.total) this.element.append(h("p", { className: "meta" }, `${(timings.total / 1000).toFixed(1)} s · ${decoder}${used(patches)}`));
  }

  /** Show why there is no answer, or no more of it. */
  fail(message) {
    this.#settle();
    this.element.append(h("p", { className: "error", role: "alert" }, message));
  }

  stopped() {
    this.#settle();
    this.element.append(h("p", { className: "meta" }, "Stopped."));
  }

  #settle() {
    this.waiting.remove();
    this.text.classList.remove("is-streaming");
    this.element.removeAttribute("aria-busy");
    const first = this.text.querySelector(".token");
    if (!first) return;
    // One stop of the Tab key for the whole text; the arrow keys go from token to token.
    first.tabIndex = 0;
    this.text.setAttribute("role", "group");
    this.text.setAttribute("aria-label", "Answer text; arrow keys go through its tokens");
  }

  #move(event) {
    const tokens = [...this.text.querySelectorAll(".token")];
    const at = tokens.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tokens.length - 1 }[event.key];
    if (at < 0 || to === undefined || !tokens[to]) return;
    event.preventDefault();
    tokens[at].tabIndex = -1;
    tokens[to].tabIndex = 0;
    tokens[to].focus();
  }
}

function token(piece, step) {
  const share = Math.min(step.jsd / MAX_JSD, 1);
  const element = h("span", { className: share < FAR_SHARE ? "token" : "token is-far", tabIndex: -1 }, piece);
  element.style.setProperty("--jsd", share < MIN_SHARE ? 0 : share.toFixed(3));
  const show = () => showCandidates(element, step, share);
  element.addEventListener("pointerenter", show);
  element.addEventListener("focus", show);
  element.addEventListener("pointerleave", hideCandidates);
  element.addEventListener("blur", hideCandidates);
  return element;
}

function showCandidates(element, step, share) {
  const box = byId("candidates");
  const row = (name, side, text, logprob) => [
    h("dt", { className: side }, name),
    h("dd", {}, h("code", {}, visible(text)), ` · gave this token ${percent(Math.exp(logprob))}`),
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

function streamsDiffer(conflict) {
  if (!conflict.is_conflict) {
    return h("p", { className: "agreement" }, `Documents and memory agree (conflict ${conflict.score.toFixed(2)})`);
  }
  const side = (name, kind, text) =>
    h("div", { className: `side ${kind}` }, h("h4", {}, name), h("p", {}, text.trim() || "(nothing)"));
  return h("section", { className: "verdict", "aria-label": "Memory and documents disagree" },
    h("h3", {}, "Memory and documents disagree", h("span", {}, `conflict ${conflict.score.toFixed(2)}`)),
    h("div", { className: "sides" },
      side("The documents say", "of-documents", conflict.context_answer),
      side("The model remembers", "of-memory", conflict.memory_answer)));
}

function citationList(citations) {
  const button = (citation, index) =>
    h("button", { type: "button", title: citation.source, onclick: () => openPassage(citation) },
      h("b", {}, `${index + 1}`), h("span", { className: "name" }, citation.title || fileName(citation.source)));
  return h("div", { className: "citations", role: "group", "aria-label": "Passages behind this answer" }, ...citations.map(button));
}

function openPassage(citation) {
  byId("passage-title").textContent = citation.title || fileName(citation.source);
  byId("passage-source").textContent = `${citation.source} · score ${citation.score.toFixed(3)}`;
  byId("passage-text").textContent = citation.passage;
  openDialog(byId("passage"));
}

/** Whether documents had a say in an answer, in its prompt or as patches. */
export const hasDocuments = ({ citations, patches }) => Boolean(citations?.length || patches?.length);

const used = (patches) => (patches.length ? ` · ${patches.length === 1 ? "1 patch" : `${patches.length} patches`}` : "");
export const fileName = (source) => source.split(/[\\/]/).filter(Boolean).pop() ?? source;
const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
const visible = (text) => (text.trim() ? text.trim() : text === "" ? "(end)" : "␣");
