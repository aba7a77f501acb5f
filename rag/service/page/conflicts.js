// What contradicts what among the documents: both sentences side by side.

import * as api from "./api.js";
import { h } from "./dom.js";
import { marked, openPassageOf } from "./passage.js";
import { choices, longList, placeButton, Survey } from "./survey.js";

export const title = "Conflicts between documents";
const KINDS = { value: "different values", negation: "yes and no", opposite: "opposites", claim: "claims of the graph" };
const MAX_PLACES = 3;

export async function render({ library }) {
  const list = h("div", { className: "view-list" });
  const survey = new Survey(library, {
    kind: "conflicts",
    label: "Comparing the documents",
    words: (job) => `Compared ${job.num_done} of ${job.num_sources} sentences`,
    begin: () => api.compare(library),
    load: () => api.conflicts(library, { limit: 1000 }),
    button: (report) => (report.made_at ? "Compare again" : "Compare all documents"),
  }, (report) => list.replaceChildren(...listView(library, report)));
  await survey.open();
  return [survey.element, list];
}

function listView(library, report) {
  if (!report.made_at) return [h("p", { className: "lead" }, "Every sentence is compared with the sentences of the other documents that speak of the same thing. No model is needed.")];
  if (!report.data.length) return [h("p", { className: "lead" }, "No two documents contradict each other, as far as rules can tell.")];
  const box = h("div");
  const show = (kind) => {
    const chosen = report.data.filter((one) => !kind || one.kind === kind);
    box.replaceChildren(longList(h("div", { className: "conflicts" }), chosen.map((one) => () => conflictView(library, one))));
  };
  show("");
  const number = report.num_conflicts === 1 ? "1 conflict" : `${report.num_conflicts} conflicts`;
  const listed = report.num_conflicts > report.data.length ? `, the surest ${report.data.length} are listed` : "";
  return [h("p", { className: "lead" }, `${number}${listed}.`), ...kindChoices(report.data, show), box];
}

function kindChoices(conflicts, show) {
  const kinds = Object.entries(KINDS).map(([kind, words]) => [kind, words, conflicts.filter((one) => one.kind === kind).length]);
  const present = kinds.filter(([, , number]) => number);
  if (present.length < 2) return [];
  return [choices("Kind of conflict", [["", `all ${conflicts.length}`], ...present.map(([kind, words, number]) => [kind, `${words} ${number}`])], show)];
}

function conflictView(library, conflict) {
  const docIds = [...new Set(conflict.sides.flatMap((side) => side.places.map((place) => place.doc_id)))];
  return h("article", { className: "conflict" },
    h("h3", {}, headOf(conflict)),
    h("div", { className: "sides" }, ...conflict.sides.map((side, index) => sideView(library, conflict, side, index))),
    h("p", { className: "meta" }, `${KINDS[conflict.kind]} · ${sureness(conflict.confidence)} · `,
      h("a", { href: `#/graph/doc/${docIds.slice(0, 6).map(encodeURIComponent).join("/")}` }, "show in the graph")));
}

function sideView(library, conflict, side, index) {
  const isSentence = side.places.some((place) => place.sentence === side.object);
  const places = side.places.slice(0, MAX_PLACES).map((place) => h("li", {},
    h("blockquote", {}, ...(isSentence ? [place.sentence] : marked(place.sentence, side.object))),
    placeButton(place, () => openPassageOf(library, place, place.sentence))));
  const rest = side.num_places - Math.min(side.places.length, MAX_PLACES);
  const isNewest = index === 0 && conflict.sides.some((other) => dateOf(other) < dateOf(side)) && dateOf(side);
  return h("div", { className: "side of-documents" },
    ...(isSentence && !isNewest ? [] : [h("div", { className: "value" },
      ...(isSentence ? [] : [h("h4", {}, side.object)]), ...(isNewest ? [h("span", { className: "badge" }, "newest")] : []))]),
    h("ul", { className: "places" }, ...places),
    ...(rest > 0 ? [h("p", { className: "hint" }, `and ${rest} more places`)] : []));
}

function headOf({ subject, relation, sides }) {
  const claim = [relation, subject].filter(Boolean).join(" of ");
  if (claim) return claim[0].toUpperCase() + claim.slice(1);
  const values = sides.filter((side) => side.places.every((place) => place.sentence !== side.object)).map((side) => side.object);
  return values.length > 1 ? values.join(" or ") : "One says what the other denies";
}

const dateOf = (side) => side.places.map((place) => place.date).sort().at(-1) ?? "";
const sureness = (confidence) => (confidence >= 0.8 ? "sure" : confidence >= 0.6 ? "fairly sure" : "unsure");
