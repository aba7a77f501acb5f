// The verdict of an answer: one sentence, a card for each position, and one for the model's memory.

import { h } from "./dom.js";

// Kinds and relations that a reader must not miss.
const ALARMING = new Set(["contradiction", "misinformation"]);
const MAX_CARDS = 8;

/** What the verdict shows; `open` is called with the index of a citation and a quote from it. */
export function verdictView(verdict, citations, open) {
  const contradicts = verdict.memory?.relation === "contradicts";
  const isAlarming = ALARMING.has(verdict.kind) || contradicts;
  const isCalm = verdict.kind === "agreement" && !contradicts && verdict.positions.length < 2;
  if (isCalm) return h("p", { className: "agreement" }, verdict.summary);
  const ranks = new Map(citations.map((citation, index) => [citation.passage_id, index]));
  const shown = verdict.positions.slice(0, MAX_CARDS);
  const cards = shown.map((position) => positionCard(position, ranks, open));
  if (verdict.memory?.answer) cards.push(memoryCard(verdict.memory));
  const hidden = verdict.positions.length - shown.length;
  return h("section", { className: isAlarming ? "verdict" : "verdict is-mild", "aria-label": "What the sources say" },
    h("h2", {}, verdict.summary),
    h("div", { className: "sides" }, ...cards),
    ...(hidden > 0 ? [h("p", { className: "meta" }, `and ${hidden} more answers`)] : []));
}

function positionCard(position, ranks, open) {
  const support = position.num_sources === 1 ? "1 source" : `${position.num_sources} sources`;
  const label = position.is_superseded ? `${support}, superseded` : support;
  return h("div", { className: position.is_superseded ? "side of-documents is-superseded" : "side of-documents" },
    h("h3", {}, label), h("p", {}, position.answer),
    h("ul", { className: "readings" }, ...position.readings.map((reading) => h("li", {}, readingButton(reading, ranks, open)))));
}

function readingButton(reading, ranks, open) {
  const index = ranks.get(reading.passage_id);
  const about = [reading.title || reading.source, reading.location, reading.date].filter(Boolean).join(", ");
  if (index === undefined) return h("span", { title: reading.quote }, about);
  return h("button", { type: "button", title: reading.quote, onclick: () => open(index, reading.quote) }, `${index + 1} · ${about}`);
}

function memoryCard(memory) {
  const doubt = memory.is_calibrated ? "" : ", not calibrated";
  return h("div", { className: "side of-memory" },
    h("h3", {}, "The model, without the documents"), h("p", {}, memory.answer.trim()),
    h("p", { className: "hint" }, `knows it with a probability of ${Math.round(100 * memory.knows)} %${doubt}`));
}
