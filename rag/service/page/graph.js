// Names and links around documents or a name. Documents and names are lists, so keyboard and screen reader have them
// as they are; the lines between are drawn.

import * as api from "./api.js";
import { h } from "./dom.js";
import { drawLinks } from "./graph-lines.js";
import { nameDocument } from "./passage.js";

export const title = "Graph";
const MAX_LISTED = 500;
const LIMITS = [["max_names", 18], ["max_documents", 8]];

export async function render({ library, rest: [kind, ...rest], page }) {
  const documents = await api.documents(library);
  if (!documents.length) return [h("p", { className: "lead" }, "No documents yet. Add some under “Library”.")];
  const centre = kind === "name" ? [["name", rest[0] ?? ""]] : (rest.length ? rest : [documents[0].doc_id]).map((id) => ["doc_id", id]);
  const part = await api.graph(library, [...centre, ...LIMITS]);
  if (kind === "name") page.querySelector("h2").textContent = `Graph around “${part.names[0]?.label ?? rest[0]}”`;
  return [toolsView(documents, kind === "name" ? "" : centre[0][1]), ...graphView(part)];
}

/** Choose what is in the middle. */
function toolsView(documents, docId) {
  const listed = documents.filter((one, index) => index < MAX_LISTED || one.doc_id === docId);
  const select = h("select", { id: "graph-document" }, ...(docId ? [] : [h("option", { value: "" }, "a document …")]),
    ...listed.map((one) => h("option", { value: one.doc_id }, nameDocument(one))));
  select.value = docId;
  select.addEventListener("change", () => (location.hash = `#/graph/doc/${encodeURIComponent(select.value)}`));
  const field = h("input", { type: "search", id: "graph-name", placeholder: "a name in the documents", autocomplete: "off", maxLength: 200 });
  const go = (event) => {
    event.preventDefault();
    if (field.value.trim()) location.hash = `#/graph/name/${encodeURIComponent(field.value.trim())}`;
  };
  return h("form", { className: "tools", onsubmit: go },
    h("label", { htmlFor: "graph-document" }, "Around"), select,
    h("label", { htmlFor: "graph-name" }, "or"), field, h("button", { type: "submit" }, "Show"));
}

function graphView(part) {
  if (!part.names.length) return [h("p", { className: "lead" }, "The graph has no such name. Names are read from the texts: people, places, organisations.")];
  const nodes = new Map();
  const documents = part.documents.map((one) => {
    const link = h("a", { href: `#/graph/doc/${encodeURIComponent(one.doc_id)}`, className: one.is_centre ? "node is-centre" : "node", title: one.source }, nameDocument(one));
    nodes.set(`d:${one.doc_id}`, link);
    return h("li", {}, link);
  });
  const names = part.names.map((one) => {
    const link = h("a", { href: `#/graph/name/${encodeURIComponent(one.name)}`, className: "node" }, one.label);
    nodes.set(`n:${one.name}`, link);
    return h("li", {}, link, ...claimsView(part, one.name));
  });
  const box = h("div", { className: "graph" },
    h("div", {}, h("h3", {}, "Documents"), h("ul", {}, ...documents)),
    h("div", {}, h("h3", {}, "Names in them"), h("ul", {}, ...names)));
  drawLinks(box, nodes, linesOf(part));
  const hidden = part.num_names - part.names.length;
  const note = hidden > 0 ? [h("p", { className: "hint" }, `${hidden} more names stand in these documents.`)] : [];
  return [box, ...note, h("p", { className: "hint" }, "A line says that the document names it. An amber line is a claim between two names, and a thick one a claim over which documents differ.")];
}

/** What documents claim of a name: "the harbour master: Tomas Orrel". */
function claimsView(part, name) {
  const claims = part.links.filter((one) => one.subject === name);
  const labels = new Map(part.names.map((one) => [one.name, one.label]));
  const sources = new Map(part.documents.map((one) => [one.doc_id, nameDocument(one)]));
  const words = (one) => [one.relation, labels.get(one.object) ?? one.object].join(": ");
  return claims.map((one) => h("p", { className: isContested(one, part.links) ? "claim is-contested" : "claim" }, words(one),
    h("span", { className: "hint" }, ` (${one.doc_ids.map((id) => sources.get(id) ?? id).join(", ")})`)));
}

/** Whether another document says something else of the same thing. */
const isContested = (link, links) =>
  links.some((other) => other.subject === link.subject && other.relation === link.relation && other.object !== link.object);

function linesOf(part) {
  const namings = part.namings.map((one) => ({ from: `d:${one.doc_id}`, to: `n:${one.name}`, kind: "naming", weight: one.num_passages }));
  const links = part.links.map((one) => ({ from: `n:${one.subject}`, to: `n:${one.object}`, kind: isContested(one, part.links) ? "contested" : "link", weight: 1 }));
  return [...namings, ...links];
}
