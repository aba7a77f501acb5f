// A passage as it stands in its document, in a dialog.

import * as api from "./api.js";
import { byId, h, openDialog } from "./dom.js";
import { report } from "./notice.js";

const MAX_PARTS = 3;

export const fileName = (source) => source.split(/[\\/]/).filter(Boolean).pop() ?? source;

/** Where a document came from, without the folders of a server that nobody here can open. */
export function shortSource(source) {
  const parts = source.split(/[\\/]/).filter(Boolean);
  return parts.length > MAX_PARTS && !/^[a-z]+:\/\//i.test(source) ? `…/${parts.slice(-MAX_PARTS).join("/")}` : source;
}

/** What a document is called. */
export const nameDocument = (one) => one.title || fileName(one.source);

/** Where in its document a passage is, if the service says so. */
const placeOf = ({ location, heading }) => [location, heading].filter(Boolean).join(" · ");

/** Show a passage (`{title, source, location, heading, passage}`); `sentence` is marked in it. */
export function openPassage(citation, sentence = "") {
  byId("passage-title").textContent = nameDocument(citation);
  byId("passage-source").textContent = [shortSource(citation.source), placeOf(citation), citation.date].filter(Boolean).join(" · ");
  const box = byId("passage-text");
  box.replaceChildren(...marked(citation.passage, sentence));
  openDialog(byId("passage"));
  box.querySelector("mark")?.scrollIntoView({ block: "nearest" });
}

/** Fetch a passage of a library, and show it. */
export async function openPassageOf(library, { doc_id, passage_id, title, source }, sentence = "") {
  try {
    const number = Number(passage_id.slice(passage_id.lastIndexOf(":") + 1)) || 0;
    const document = await api.readDocument(library, doc_id, { offset: number, limit: 1 });
    const passage = document.passages[0];
    if (!passage) throw new Error("This passage is no longer in the library.");
    openPassage({ ...passage, title, source, date: document.date, passage: passage.text }, sentence);
  } catch (error) {
    report(error);
  }
}

/** A text with the first place of a part marked. Line ends count as blanks: a sentence may go over several lines. */
export function marked(text, part) {
  const pattern = part && part.trim().split(/\s+/).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("\\s+");
  const match = pattern ? new RegExp(pattern, "i").exec(text) : null;
  if (!match) return [text];
  return [text.slice(0, match.index), h("mark", {}, match[0]), text.slice(match.index + match[0].length)];
}
