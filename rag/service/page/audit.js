// What the model holds of the documents' claims: asked without documents, before anybody asks.

import * as api from "./api.js";
import { h } from "./dom.js";
import { fileName } from "./passage.js";
import { choices, longList, Survey } from "./survey.js";

export const title = "What the model holds of these documents";
const LIMIT = 200;
const GROUPS = [
  ["contradicts", "it knows otherwise", "num_contradicts"],
  ["unsure", "it does not know", "num_unsure"],
  ["agrees", "it knows", "num_agrees"],
];

export async function render({ library }) {
  const list = h("div", { className: "view-list" });
  const survey = new Survey(library, {
    kind: "audit",
    label: "Asking the model",
    words: (job) => `Asked ${job.num_done} of ${job.num_sources} questions`,
    begin: () => api.beginAudit(library, LIMIT),
    load: () => api.audit(library),
    button: (report) => (report.made_at ? "Ask again" : "Ask the model"),
  }, (report) => list.replaceChildren(...listView(report)));
  await survey.open();
  return [survey.element, list];
}

function listView(report) {
  if (!report.made_at) {
    return [h("p", { className: "lead" }, `Questions are made of the documents' sentences, at most ${LIMIT}. The model answers them without the documents: so you see where it would contradict them.`)];
  }
  if (!report.data.length) return [h("p", { className: "lead" }, "These documents hold no sentence that a question could be made of.")];
  const box = h("div");
  const show = (relation) => {
    const chosen = report.data.filter((one) => one.relation === relation);
    const none = h("p", { className: "lead" }, "None.");
    box.replaceChildren(chosen.length ? longList(h("ul", { className: "beliefs" }), chosen.map((one) => () => beliefView(one))) : none);
  };
  const options = GROUPS.map(([relation, words, number]) => [relation, `${words} ${report[number]}`]);
  options.sort(([a], [b]) => hasAny(report, b) - hasAny(report, a)); // the first is shown; an empty one would show nothing
  show(options[0][0]);
  return [
    ...(report.is_calibrated ? [] : [h("p", { className: "note" }, "This model is not calibrated, so it never counts as knowing otherwise. The command “concord models calibrate” mends that.")]),
    choices("What the model holds", options, show), box,
  ];
}

const hasAny = (report, relation) => Number(report.data.some((one) => one.relation === relation));

function beliefView(one) {
  return h("li", { className: "belief" },
    h("h3", {}, one.question),
    h("div", { className: "sides" },
      h("div", { className: "side of-documents" }, h("h4", {}, "The document"), h("p", {}, one.claimed),
        h("p", { className: "hint" }, h("a", { href: `#/documents/${encodeURIComponent(one.doc_id)}`, title: one.source }, fileName(one.source)))),
      h("div", { className: "side of-memory" }, h("h4", {}, "The model, without documents"), h("p", {}, one.believed.trim() || "(nothing)"),
        h("p", { className: "hint" }, `right with a probability of ${Math.round(100 * one.knows)} %`))));
}
