// The documents of the library: state, place, date, passages; what could not be added; one document with its text.

import * as api from "./api.js";
import { h } from "./dom.js";
import { isOpen } from "./jobs.js";
import { fileName, nameDocument, shortSource } from "./passage.js";
import { isLeaving, removeDocument } from "./removal.js";
import { longList } from "./survey.js";

export const title = "Documents";
export const followsDocuments = true;
const STEP = 100;

export async function render({ library, rest, page }) {
  if (rest[0]) return renderDocument(library, rest[0], page);
  const [documents, jobs, patched] = await Promise.all([api.documents(library), api.jobs(), patchedIds(library)]);
  const mine = jobs.filter((job) => job.library === library && job.kind === "documents");
  const present = new Set(documents.map((one) => one.source));
  const failed = failures(mine).filter((one) => !present.has(one.source));
  const passages = documents.reduce((sum, one) => sum + one.num_passages, 0);
  const waiting = mine.filter(isOpen).reduce((sum, job) => sum + job.num_sources - job.num_done, 0);
  const lead = documents.length
    ? `${counted(documents.length, "document")} in ${counted(passages, "passage")}.`
    : "No documents yet. Add some under “Library”, or drop them there.";
  return [
    h("p", { className: "lead" }, waiting ? `${lead} ${counted(waiting, "more is", "more are")} on the way in.` : lead),
    ...(failed.length ? [failedView(failed)] : []),
    ...(documents.length ? listView(library, documents, patched) : []),
  ];
}

/** What recent uploads could not add, the newest reason of each. */
function failures(jobs) {
  const reasons = new Map();
  for (const job of jobs) for (const one of job.report?.failed ?? []) if (!reasons.has(one.source)) reasons.set(one.source, one);
  return [...reasons.values()];
}

function failedView(failed) {
  return h("section", { className: "note is-failed", "aria-label": "Not added" },
    h("h3", {}, `${counted(failed.length, "file")} could not be added`),
    h("ul", {}, ...failed.slice(0, 20).map((one) => h("li", {}, h("b", {}, fileName(one.source)), `: ${one.reason}`))));
}

/** Documents that are patches too; none where the service has no patches. */
async function patchedIds(library) {
  try {
    return new Set((await api.patches(library)).data.map((one) => one.doc_id));
  } catch (error) {
    if (error.status === 409) return new Set();
    throw error;
  }
}

function listView(library, documents, patched) {
  const box = h("div");
  const field = h("input", { type: "search", id: "filter-documents", placeholder: "Filter by name", autocomplete: "off" });
  const order = h("select", { id: "sort-documents" },
    ...[["source", "by name"], ["added_at", "newest added first"], ["date", "newest date first"]].map(([value, text]) => h("option", { value }, text)));
  const show = () => {
    const wanted = field.value.toLowerCase();
    const chosen = documents.filter((one) => `${one.title} ${one.source}`.toLowerCase().includes(wanted));
    if (order.value !== "source") chosen.sort((a, b) => (b[order.value] > a[order.value] ? 1 : -1));
    const list = h("ul", { className: "document-list" });
    box.replaceChildren(chosen.length ? longList(list, chosen.map((one) => () => rowView(library, one, patched)), STEP) : h("p", { className: "lead" }, "No document has this in its name."));
  };
  field.addEventListener("input", show);
  order.addEventListener("change", show);
  show();
  return [h("div", { className: "tools" },
    h("label", { className: "sr", htmlFor: "filter-documents" }, "Filter the documents"), field,
    h("label", { className: "sr", htmlFor: "sort-documents" }, "Order"), order), box];
}

function rowView(library, one, patched) {
  const name = nameDocument(one);
  const button = h("button", { type: "button", className: "quiet", "aria-label": `Remove ${name}` }, "Remove");
  const row = h("li", { hidden: isLeaving(one.doc_id) },
    h("div", { className: "what" }, h("a", { href: `#/documents/${encodeURIComponent(one.doc_id)}` }, name), h("span", { className: "hint" }, shortSource(one.source))),
    h("div", { className: "facts" },
      h("span", {}, one.date ? `of ${one.date}` : "no date"),
      h("span", {}, `added ${dayOf(one.added_at)}`),
      h("span", {}, counted(one.num_passages, "passage")),
      h("span", { className: patched.has(one.doc_id) ? "badge" : "" }, patched.has(one.doc_id) ? "patched" : "searchable")),
    button);
  button.onclick = () => removeDocument(library, one, { show: (isThere) => (row.hidden = !isThere), focus: () => button.focus() });
  return row;
}

async function renderDocument(library, docId, page) {
  const one = await api.readDocument(library, docId, { limit: STEP });
  page.querySelector("h2").textContent = nameDocument(one);
  const list = h("ol", { className: "passages" }, ...one.passages.map(passageView));
  const more = h("button", { type: "button", hidden: one.passages.length >= one.num_passages }, "Show more passages");
  more.onclick = async () => {
    const next = await api.readDocument(library, docId, { offset: list.children.length, limit: STEP });
    list.append(...next.passages.map(passageView));
    more.hidden = list.children.length >= one.num_passages;
  };
  const facts = [shortSource(one.source), one.date ? `of ${one.date}` : "", `added ${dayOf(one.added_at)}`, counted(one.num_passages, "passage"), counted(one.size_chars, "character")];
  return [
    h("p", { className: "hint" }, facts.filter(Boolean).join(" · ")),
    h("p", { className: "links" }, h("a", { href: "#/documents" }, "All documents"), h("a", { href: `#/graph/doc/${encodeURIComponent(docId)}` }, "Show in the graph")),
    list, more,
  ];
}

function passageView(one) {
  const place = [one.location, one.heading].filter(Boolean).join(" · ");
  return h("li", {}, ...(place ? [h("p", { className: "hint" }, place)] : []), h("p", { className: "passage" }, one.text));
}

const counted = (number, one, many = `${one}s`) => `${number.toLocaleString()} ${number === 1 ? one : many}`;
const dayOf = (time) => new Date(time).toLocaleDateString(undefined, { dateStyle: "medium" });
