// Uploads: each file with a line that says how far it is and what became of it.

import * as api from "./api.js";
import { byId, h } from "./dom.js";
import { chosenFiles, droppedFiles } from "./files.js";
import { follow, isOpen } from "./jobs.js";
import { chosenLibrary } from "./library.js";
import { notify, report } from "./notice.js";
import { fileName } from "./passage.js";

/** Wire the controls. */
export function startUploads() {
  byId("files").addEventListener("change", (event) => {
    add(chosenFiles(event.target.files));
    event.target.value = "";
  });
  startDrop(byId("drop"));
}

function startDrop(zone) {
  zone.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("is-over");
  });
  zone.addEventListener("dragleave", () => zone.classList.remove("is-over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("is-over");
    droppedFiles(event.dataTransfer).then(add, report);
  });
}

/** Upload files one after the other, each with its own line. */
async function add(files) {
  const name = chosenLibrary();
  if (!name) return notify("Choose or make a library first; then add documents to it.", { isError: true });
  const lines = files.map((file) => uploadLine(file.path, () => api.upload(name, file, (share) => line(file).progress(share / 2, "Sending"))));
  const line = (file) => lines[files.indexOf(file)];
  byId("uploads").replaceChildren(...lines.map((one) => one.element));
  for (const one of lines) await one.run();
  showChanged();
}

const showChanged = () => document.dispatchEvent(new Event("concord:documents"));

/** Lines for the uploads that are under way, from before this page was loaded or from elsewhere. */
export async function showUploads() {
  const open = (await api.jobs()).filter((job) => job.kind === "documents" && isOpen(job));
  const lines = open.map((job) => uploadLine(job.num_sources === 1 ? "1 document" : `${job.num_sources} documents`, async () => job));
  byId("uploads").append(...lines.map((one) => one.element));
  await Promise.all(lines.map((one) => one.run()));
  if (lines.length) showChanged();
}

/** The first half of the bar is the way to the service, the second the reading and indexing there. */
function tell(job, line) {
  const isMany = job.num_sources > 1 && job.status === "running";
  const words = job.status === "queued" ? "Waiting for its turn" : isMany ? `Reading ${job.num_done} of ${job.num_sources}` : "Reading";
  line.progress(0.5 + (0.5 * job.num_done) / Math.max(job.num_sources, 1), words);
}

/** What became of a job, in a word or two; throws what went wrong. */
function outcome(job) {
  if (job.status === "cancelled") return "Cancelled; nothing was added";
  if (job.status === "failed") throw new Error(job.error ?? "it could not be added");
  const { added = [], replaced = [], unchanged = [], failed = [], copies = [] } = job.report ?? {};
  if (failed.length) throw new Error(failed.map((one) => `${fileName(one.source)}: ${one.reason}`).join("; "));
  if (replaced.length && !added.length) return "Replaced the earlier one of this name";
  if (unchanged.length && !added.length) return "Was there already, unchanged";
  if (copies.length === 1) return `Added; it has the content of ${copies[0].original}`;
  return "Added";
}

/** A line for one upload; `begin` gives its job. */
function uploadLine(name, begin) {
  const bar = h("progress", { max: 1, value: 0, "aria-label": `Adding ${name}` });
  const state = h("span", { className: "hint" }, "Waiting");
  const cancel = h("button", { type: "button", className: "quiet", "aria-label": `Cancel ${name}`, hidden: true }, "Cancel");
  const element = h("li", {}, h("span", { className: "name", title: name }, name), bar, state, cancel);
  const line = {
    element,
    progress: (share, text) => {
      bar.value = share;
      if (state.textContent !== text) state.textContent = text;
    },
    run: async () => {
      try {
        const job = await begin();
        cancel.hidden = !isOpen(job);
        cancel.onclick = () => {
          cancel.disabled = true;
          api.cancelJob(job.id).catch(report);
        };
        end(outcome(await follow(job, (now) => tell(now, line))), "hint");
      } catch (error) {
        end(error.message, "is-failed");
      }
    },
  };
  const end = (text, kind) => {
    bar.remove();
    cancel.remove();
    state.textContent = text;
    state.className = kind;
  };
  return line;
}
