// One answer: its text tinted by conflict, what both streams would have said, the verdict, the citations.

import { byId, h, openDialog } from "./dom.js";
import { findSources } from "./sources.js";
import { verdictView } from "./verdict.js";

// Jensen-Shannon divergence is at most ln 2 (nats).
const MAX_JSD = Math.LN2;
// Below this a tint would only be noise.
const MIN_SHARE = 0.08;
// From here a line under the token says it too, for those who cannot tell the tint.
const FAR_SHARE = 0.4;

// Seconds of waiting after which the clock is shown.
const PATIENCE_S = 3;

/** An answer on its way; `element` is what is shown. */
export class AnswerView {
  constructor() {
    this.text = h("div", { className: "answer-text is-streaming" });
    this.waiting = h("p", { className: "waiting", role: "status" }, "Looking through the documents …");
    this.element = h("article", { className: "answer", "aria-label": "Answer", "aria-busy": "true" }, this.waiting);
    this.plain = "";
    this.word = ""; // the beginning of the word that the next piece may belong to
    this.since = performance.now();
    this.clock = setInterval(() => this.#tick(), 1000);
    this.text.addEventListener("keydown", (event) => this.#move(event));
  }

  /** Say what the service is at, while there is no text. */
  say(text) {
    this.waiting.textContent = text;
  }

  /** Show the next piece; `step` says what both streams wanted there, if the service told. */
  add(piece, step) {
    if (!piece) return;
    if (this.waiting.isConnected) this.waiting.replaceWith(this.text);
    this.plain += piece;
    const text = piece.trimStart();
    const isNew = text.length < piece.length;
    this.text.append(piece.slice(0, piece.length - text.length));
    if (isNew) this.word = "";
    if (text) this.text.append(step ? token(text, step, this.word) : text);
    this.word = /\s$/.test(piece) ? "" : this.word + text;
  }

  /** Show what the service knows about the whole answer. */
  finish({ draft, verdict, conflict, citations = [], patches = [], finish_reason, notice, timings, decoder }) {
    this.#settle();
    if (draft) this.#fold();
    if (notice) this.element.append(h("p", { className: "meta" }, notice));
    if (finish_reason === "length") this.element.append(h("p", { className: "meta" }, "Cut off at the longest answer allowed."));
    if (verdict) this.element.append(verdictView(verdict, citations, (index, quote) => openPassage(citations[index], quote)));
    else if (conflict && hasDocuments({ citations, patches })) this.element.append(streamsDiffer(conflict));
    const sources = findSources(this.text.textContent, citations);
    this.#insert(sources, citations);
    if (citations.length) this.element.append(citationList(citations, new Set(sources.map((one) => one.number))));
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

  /** A number behind each sentence that has a source; it opens the passage at that sentence. */
  #insert(sources, citations) {
    for (const { end, number, sentence } of sources.reverse()) {
      const mark = h("button", {
        type: "button", className: "ref", "aria-label": `Source ${number}: ${citations[number - 1].title || fileName(citations[number - 1].source)}`,
        onclick: () => openPassage(citations[number - 1], sentence),
      }, `[${number}]`);
      const [node, offset] = nodeAt(this.text, end);
      const holder = node.parentElement.closest(".token");
      if (holder) holder.after(mark);
      else node.splitText(offset).before(mark);
    }
  }

  /** The last piece is the answer; what the model wrote before it is folded away below. */
  #fold() {
    const before = [...this.text.childNodes].slice(0, -1);
    this.text.lastChild.data = this.text.lastChild.data.trimStart();
    this.text.after(h("details", { className: "draft" }, h("summary", {}, "What the model wrote first"), ...before));
  }

  #tick() {
    const seconds = Math.round((performance.now() - this.since) / 1000);
    if (this.waiting.isConnected && seconds >= PATIENCE_S) this.waiting.dataset.seconds = `${seconds} s`;
  }

  #settle() {
    clearInterval(this.clock);
    this.waiting.remove();
    if (!this.text.isConnected && this.plain) this.element.prepend(this.text);
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

/** The text node below `root` that holds the character before `end`, and where in it `end` is. */
function nodeAt(root, end) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  let left = end;
  let node = walker.nextNode();
  for (; node && left > node.data.length; node = walker.nextNode()) left -= node.data.length;
  return [node, left];
}

/** `before` is the beginning of the word that the piece goes on with: candidates are shown as whole words begin. */
function token(piece, step, before) {
  const share = Math.min(step.jsd / MAX_JSD, 1);
  const element = h("span", { className: share < FAR_SHARE ? "token" : "token is-far", tabIndex: -1 }, piece);
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
      h("b", {}, `${number}`), h("span", { className: "name" }, placed(citation.title || fileName(citation.source), citation)));
  const all = citations.map((citation, index) => [citation, index + 1]);
  const group = (label, part) => (part.length
    ? [h("div", { className: "citations", role: "group", "aria-label": label }, h("span", { className: "hint" }, label), ...part.map(button))] : []);
  return h("div", { className: "sources" },
    ...group("Sources", all.filter(([, number]) => used.has(number))),
    ...group(used.size ? "Also read" : "Read for this answer", all.filter(([, number]) => !used.has(number))));
}

/** Where in its document a passage is, if the service says so. */
const placeOf = (citation) => [citation.location, citation.heading].filter(Boolean).join(" · ");

/** Show a passage; `sentence` is marked in it. */
function openPassage(citation, sentence = "") {
  byId("passage-title").textContent = citation.title || fileName(citation.source);
  byId("passage-source").textContent = [citation.source, placeOf(citation)].filter(Boolean).join(" · ");
  const start = sentence ? citation.passage.indexOf(sentence) : -1;
  const box = byId("passage-text");
  if (start < 0) box.replaceChildren(citation.passage);
  else {
    const end = start + sentence.length;
    box.replaceChildren(citation.passage.slice(0, start), h("mark", {}, sentence), citation.passage.slice(end));
  }
  openDialog(byId("passage"));
  box.querySelector("mark")?.scrollIntoView({ block: "nearest" });
}

/** Whether documents had a say in an answer, in its prompt or as patches. */
export const hasDocuments = ({ citations, patches }) => Boolean(citations?.length || patches?.length);

const used = (patches) => (patches.length ? ` · ${patches.length === 1 ? "1 patch" : `${patches.length} patches`}` : "");
const placed = (name, { location }) => (location ? `${name}, ${location}` : name);
export const fileName = (source) => source.split(/[\\/]/).filter(Boolean).pop() ?? source;
const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
/** A candidate as it would stand in the text; one that begins with a space begins a word of its own. */
function visible(text, before) {
  if (text === "") return "(end)";
  if (!text.trim()) return "␣";
  return text === text.trimStart() ? before + text.trim() : text.trim();
}
