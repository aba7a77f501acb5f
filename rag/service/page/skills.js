// The skills of the service: what each was measured to do.

import { h } from "./dom.js";

const FIGURES = { agreeing: "right where passages agree", altered: "follows altered passages", foreign_refused: "refuses foreign passages", f1: "word overlap", right: "right labels" };

/** A heading and a list; nothing without skills. */
export function skillSection(skills) {
  if (!skills.length) return [];
  return [
    h("h3", {}, "Skills"),
    h("p", { className: "lead" }, "A skill teaches the model to read passages or to judge them. It is used with the model that it was made for."),
    h("ul", { className: "document-list skills" }, ...skills.map(rowView)),
  ];
}

function rowView(skill) {
  const use = skill.is_default ? "answers by default" : "used by name";
  return h("li", {},
    h("div", { className: "what" }, h("strong", {}, skill.name), h("span", { className: "hint" }, `for ${skill.base_name}, ${use}`)),
    h("div", { className: "facts" }, ...figures(skill).map((words) => h("span", {}, words))));
}

function figures({ before, after }) {
  return Object.entries(FIGURES).filter(([name]) => name in after).map(([name, words]) => `${words}: ${share(before[name])} to ${share(after[name])}`);
}

const share = (value) => (value === undefined ? "?" : `${Math.round(100 * value)} %`);
