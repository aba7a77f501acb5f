// The patches of the library, by document, and the skills of the service.

import * as api from "./api.js";
import { h } from "./dom.js";
import { isOpen, JobLine, openJob } from "./jobs.js";
import { report } from "./notice.js";
import { longList } from "./survey.js";
import { skillSection } from "./skills.js";

export const title = "Documents as patches";
export const followsDocuments = true;

export async function render({ library }) {
  const [documents, patches, skills] = await Promise.all([api.documents(library), patchesOf(library), api.skills()]);
  if (patches.reason) return [h("p", { className: "lead" }, patches.reason), ...skillSection(skills)];
  const build = h("button", { type: "button", hidden: patches.num_patched >= documents.length }, "Build what is missing");
  const job = h("div");
  build.onclick = () => run(job, build, () => api.buildPatches(library));
  openJob("patches", library).then((known) => known && run(job, build, async () => known)).catch(report);
  const rows = patches.data.map((one) => () => rowView(library, one));
  return [
    h("p", { className: "lead" }, `A patch is what a model has learnt from a document. ${patches.num_patched} of ${documents.length} documents have one for the model of this service.`),
    h("div", { className: "survey" }, build, job),
    ...(rows.length ? [longList(h("ul", { className: "document-list" }), rows, 100)] : []),
    ...skillSection(skills),
  ];
}

/** The patches; where this service has none, the reason. */
async function patchesOf(library) {
  try {
    return await api.patches(library);
  } catch (error) {
    if (error.status === 409) return { reason: error.message };
    throw error;
  }
}

async function run(box, button, begin) {
  const line = new JobLine("Building patches", (job) => `Built ${job.num_done} of ${job.num_sources}`);
  button.hidden = true;
  box.replaceChildren(line.element);
  try {
    const ended = await line.run(await begin());
    if (isOpen(ended)) return; // somebody went to another view
    const failed = ended.patch_report?.failed ?? [];
    const words = ended.error ?? (failed.length ? `${failed.length} could not be made: ${failed[0].reason}` : "");
    if (words) box.replaceChildren(h("p", { className: "error", role: "alert" }, words));
    else document.dispatchEvent(new Event("concord:documents"));
  } catch (error) {
    box.replaceChildren(h("p", { className: "error", role: "alert" }, error.message));
  }
  button.hidden = false;
}

function rowView(library, one) {
  const button = h("button", { type: "button", className: "quiet", "aria-label": `Remove the patch of ${one.title}` }, "Remove");
  const row = h("li", {},
    h("div", { className: "what" }, h("a", { href: `#/documents/${encodeURIComponent(one.doc_id)}` }, one.title), h("span", { className: "hint" }, `${one.profile}, for ${one.base_name}`)),
    h("div", { className: "facts" },
      h("span", {}, `${one.num_samples} questions`), h("span", {}, `rank ${one.rank}`), h("span", {}, `${(one.size_bytes / 1024).toFixed(0)} KB`)),
    button);
  button.onclick = async () => {
    button.disabled = true;
    try {
      await api.removePatch(library, one.key);
      document.dispatchEvent(new Event("concord:documents"));
    } catch (error) {
      button.disabled = false;
      report(error);
    }
  };
  return row;
}
