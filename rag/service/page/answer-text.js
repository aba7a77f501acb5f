// The text of an answer: plain while it comes, formatted when it is there, with a number behind each sentence that has a
// source.

import { h } from "./dom.js";
import { hasMarkup, renderMarkdown } from "./markdown.js";
import { nameDocument, openPassage } from "./passage.js";
import { findSources } from "./sources.js";
import { tokenView } from "./tokens.js";

const BLOCKS = new Set(["P", "LI", "H2", "TR", "BLOCKQUOTE", "PRE", "UL", "OL", "DIV"]);

/** A text on its way; `element` is what is shown. */
export class AnswerText {
  constructor() {
    this.element = h("div", { className: "answer-text is-streaming" });
    this.pieces = []; // `{start, end, piece, step, before}`
    this.source = "";
    this.word = ""; // the beginning of the word that the next piece may belong to
    this.element.addEventListener("keydown", (event) => this.#move(event));
  }

  /** Show the next piece; `step` says what both streams wanted there, if the service told. */
  add(text, step) {
    const piece = text.trimStart();
    if (piece.length < text.length) this.word = "";
    const start = this.source.length + text.length - piece.length;
    this.source += text;
    this.pieces.push({ start, end: this.source.length, piece, step, before: this.word });
    this.word = /\s$/.test(text) ? "" : this.word + piece;
    this.element.append(...this.#show(start - (text.length - piece.length), this.source.length, this.pieces.slice(-1)));
  }

  /** Take the last piece as the whole text; what was before it is given back. */
  cutToLast() {
    const last = this.pieces.pop();
    const before = new AnswerText();
    for (const { end, step } of this.pieces) before.add(this.source.slice(before.source.length, end), step);
    this.pieces = [];
    this.source = this.word = "";
    this.element.replaceChildren();
    this.add(last.piece, last.step);
    return before.element.childNodes;
  }

  /** Nothing more comes: format what is there, and let the keyboard into it. */
  settle() {
    this.element.classList.remove("is-streaming");
    if (hasMarkup(this.source)) {
      this.element.classList.add("is-formatted");
      this.element.replaceChildren(...renderMarkdown(this.source, (start, end) => this.#show(start, end)));
    }
    const first = this.element.querySelector(".token");
    if (!first) return;
    // One stop of the Tab key for the whole text; the arrow keys go from token to token.
    first.tabIndex = 0;
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-label", "Answer text; arrow keys go through its tokens");
  }

  /** Put a number behind each sentence that has a source; it opens the passage there. Returns the numbers. */
  mark(citations) {
    const { text, nodes } = flatten(this.element);
    const sources = findSources(text, citations);
    for (const { end, number, sentence } of [...sources].reverse()) {
      const { node, start } = nodes.findLast((one) => one.start < end);
      const mark = h("button", {
        type: "button", className: "ref", "aria-label": `Source ${number}: ${nameDocument(citations[number - 1])}`,
        onclick: () => openPassage(citations[number - 1], sentence),
      }, `[${number}]`);
      const holder = node.parentElement.closest(".token, a");
      if (holder) holder.after(mark);
      else node.splitText(Math.min(end - start, node.length)).before(mark);
    }
    return new Set(sources.map((one) => one.number));
  }

  /** The nodes of a part of the source. */
  #show(start, end, pieces = this.pieces) {
    const nodes = [];
    let done = start;
    const plain = (to) => {
      if (to > done) nodes.push(document.createTextNode(this.source.slice(done, to)));
      done = Math.max(done, to);
    };
    for (const one of pieces) {
      if (one.end <= start || one.start >= end || !one.step || one.end === one.start) continue;
      const [from, to] = [Math.max(one.start, start), Math.min(one.end, end)];
      plain(from);
      nodes.push(tokenView(this.source.slice(from, to), one));
      done = to;
    }
    plain(end);
    return nodes;
  }

  #move(event) {
    const tokens = [...this.element.querySelectorAll(".token")];
    const at = tokens.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tokens.length - 1 }[event.key];
    if (at < 0 || to === undefined || !tokens[to]) return;
    event.preventDefault();
    tokens[at].tabIndex = -1;
    tokens[to].tabIndex = 0;
    tokens[to].focus();
  }
}

/** The text below an element with a line end after each block, and where in it each text node begins. */
function flatten(root) {
  const nodes = [];
  let text = "";
  const walk = (node) => {
    if (node.nodeType === Node.TEXT_NODE) {
      nodes.push({ node, start: text.length });
      text += node.data;
    } else if (node.tagName !== "CODE") {
      node.childNodes.forEach(walk);
      if (node !== root && BLOCKS.has(node.tagName)) text += "\n";
    }
  };
  walk(root);
  return { text, nodes };
}
