// One answer: its text, the verdict, the citations, and what can be done with it.

import { AnswerText } from "./answer-text.js";
import { h } from "./dom.js";
import { nameDocument, openPassage } from "./passage.js";
import { verdictView } from "./verdict.js";

// Seconds of waiting after which the clock is shown.
const PATIENCE_S = 3;

/** An answer on its way; `element` is what is shown. */
export class AnswerView {
  constructor() {
    this.text = new AnswerText();
    this.waiting = h("p", { className: "waiting", role: "status" }, "Looking through the documents …");
    this.element = h("article", { className: "answer", "aria-label": "Answer", "aria-busy": "true" }, this.waiting);
    this.since = performance.now();
    this.clock = setInterval(() => this.#tick(), 1000);
  }

  /** Say what the service is at, while there is no text. */
  say(text) {
    this.waiting.textContent = text;
  }

  /** Show the next piece; `step` says what both streams wanted there, if the service told. */
  add(piece, step) {
    if (!piece) return;
    if (this.waiting.isConnected) this.waiting.replaceWith(this.text.element);
    this.text.add(piece, step);
  }

  /** Show what the service knows about the whole answer. */
  finish({ draft, verdict, conflict, citations = [], patches = [], finish_reason, notice, timings, decoder }) {
    const before = draft ? this.text.cutToLast() : null;
    this.#settle();
    if (before) this.text.element.after(h("details", { className: "draft" }, h("summary", {}, "What the model wrote first"), ...before));
    if (notice) this.element.append(h("p", { className: "meta" }, notice));
    if (finish_reason === "length") this.element.append(h("p", { className: "meta" }, "Cut off at the longest answer allowed."));
    if (verdict) this.element.append(verdictView(verdict, citations, (index, quote) => openPassage(citations[index], quote)));
    else if (conflict && hasDocuments({ citations, patches })) this.element.append(streamsDiffer(conflict));
    if (citations.length) this.element.append(citationList(citations, this.text.mark(citations)));
    if (timings?.total) {
      const took = `${(timings.total / 1000).toFixed(1)} s${used(patches)}`;
      this.element.append(h("p", { className: "meta", title: `decoder: ${decoder}` }, took));
    }
  }

  /** Show why there is no answer, or no more of it, and what can be done: `[label, run]`. */
  fail(message, action) {
    this.#settle();
    const line = h("p", { className: "error", role: "alert" }, h("span", {}, message));
    if (action) line.append(h("button", { type: "button", onclick: action[1] }, action[0]));
    this.element.append(line);
  }

  stopped(reason = "Stopped.") {
    this.#settle();
    this.element.append(h("p", { className: "meta" }, reason));
  }

  /** Buttons below the answer: `[label, run]` each. */
  offer(...actions) {
    const button = ([label, run, kind = ""]) => h("button", { type: "button", className: `quiet ${kind}`, onclick: run }, label);
    this.element.append(h("div", { className: "actions", role: "group", "aria-label": "This answer" }, ...actions.map(button)));
  }

  #tick() {
    const seconds = Math.round((performance.now() - this.since) / 1000);
    if (this.waiting.isConnected && seconds >= PATIENCE_S) this.waiting.dataset.seconds = `${seconds} s`;
  }

  #settle() {
    clearInterval(this.clock);
    this.waiting.remove();
    if (!this.text.element.isConnected && this.text.source) this.element.prepend(this.text.element);
    this.text.settle();
    this.element.removeAttribute("aria-busy");
  }
}

function streamsDiffer(conflict) {
  if (!conflict.is_conflict) {
    return h("p", { className: "agreement" }, `Documents and memory agree (conflict ${conflict.score.toFixed(2)})`);
  }
  const side = (name, kind, text) =>
    h("div", { className: `side ${kind}` }, h("h3", {}, name), h("p", {}, text.trim() || "(nothing)"));
  return h("section", { className: "verdict", "aria-label": "Memory and documents disagree" },
    h("h2", {}, "Memory and documents disagree", h("span", {}, `conflict ${conflict.score.toFixed(2)}`)),
    h("div", { className: "sides" },
      side("The documents say", "of-documents", conflict.context_answer),
      side("The model remembers", "of-memory", conflict.memory_answer)));
}

/** The passages that were in the prompt; those that a sentence rests on come first. */
function citationList(citations, used) {
  const button = ([citation, number]) =>
    h("button", { type: "button", title: citation.source, className: used.has(number) ? "is-used" : "", onclick: () => openPassage(citation) },
      h("b", {}, `${number}`), h("span", { className: "name" }, placed(nameDocument(citation), citation)));
  const all = citations.map((citation, index) => [citation, index + 1]);
  const group = (label, part) => (part.length
    ? [h("div", { className: "citations", role: "group", "aria-label": label }, h("span", { className: "hint" }, label), ...part.map(button))] : []);
  return h("div", { className: "sources" },
    ...group("Sources", all.filter(([, number]) => used.has(number))),
    ...group(used.size ? "Also read" : "Read for this answer", all.filter(([, number]) => !used.has(number))));
}

/** Whether documents had a say in an answer, in its prompt or as patches. */
export const hasDocuments = ({ citations, patches }) => Boolean(citations?.length || patches?.length);

const used = (patches) => (patches.length ? ` · ${patches.length === 1 ? "1 patch" : `${patches.length} patches`}` : "");
const placed = (name, { location }) => (location ? `${name}, ${location}` : name);
