// The library picker, its documents, and uploads.

import * as api from "./api.js";
import { fileName } from "./answer.js";
import { byId, h } from "./dom.js";
import { chosenFiles, droppedFiles } from "./files.js";
import { notify, settle } from "./notice.js";
import { showPatches } from "./patches.js";

const CHOSEN = "concord-library";
const NEW = "\0new";
const POLL_MS = 400;
let baseModel = "";

/** The library that is asked, or "" for the model alone. */
export const chosenLibrary = () => (byId("library").value === NEW ? "" : byId("library").value);

/** What a request names as its model. */
export const chosenModel = () => chosenLibrary() || baseModel;

/** Wire the controls and show the libraries there are. */
export async function startLibrary() {
  byId("library").addEventListener("change", choose);
  byId("make-library").addEventListener("submit", make);
  byId("files").addEventListener("change", (event) => {
    add(chosenFiles(event.target.files));
    event.target.value = "";
  });
  startDrop(byId("drop"));
  await showLibraries(localStorage.getItem(CHOSEN));
  await showJobs();
}

/** Ask from this library, if it is there. */
export async function chooseLibrary(name) {
  const select = byId("library");
  if (name === undefined || name === chosenLibrary() || ![...select.options].some((one) => one.value === name)) return;
  select.value = name;
  await choose();
}

/** Say what went wrong, and offer what may help. */
export function report(error) {
  const isRefused = error.status === 403;
  const action = isRefused && api.currentKey() ? ["Use another key", () => api.changeKey().then(() => showLibraries(chosenLibrary()), report)] : undefined;
  notify(error.message, { isError: true, action });
}

async function showLibraries(wanted) {
  const all = await api.models();
  baseModel = all.find((model) => model.kind === "base")?.id ?? "";
  const names = all.filter((model) => model.kind === "library").map((model) => model.id);
  byId("library").replaceChildren(
    ...names.map((name) => h("option", { value: name }, name)),
    h("option", { value: "" }, "No library: the model alone"),
    h("option", { value: NEW }, "New library …"),
  );
  byId("library").value = names.includes(wanted) ? wanted : (names[0] ?? NEW);
  await choose();
}

async function choose() {
  const isNew = byId("library").value === NEW;
  byId("make-library").hidden = !isNew;
  byId("drop").hidden = byId("documents-box").hidden = !chosenLibrary();
  const from = chosenLibrary() || (isNew ? "" : "memory alone");
  byId("bar-library").replaceChildren(...(from ? [h("span", { className: "only-wide" }, "Answers from "), from] : []));
  if (!isNew) localStorage.setItem(CHOSEN, chosenLibrary());
  await showDocuments();
}

async function make(event) {
  event.preventDefault();
  const field = byId("library-name");
  field.setCustomValidity("");
  try {
    await api.makeLibrary(field.value);
    const name = field.value;
    field.value = "";
    await showLibraries(name);
  } catch (error) {
    field.setCustomValidity(error.message);
    field.reportValidity();
    field.addEventListener("input", () => field.setCustomValidity(""), { once: true });
  }
}

async function showDocuments() {
  const name = chosenLibrary();
  if (!name) return showPatches("", 0);
  const found = await api.documents(name);
  if (name !== chosenLibrary()) return; // another one was chosen meanwhile
  byId("documents-count").textContent = found.length === 1 ? "1 document" : `${found.length} documents`;
  byId("documents").replaceChildren(...found.map((one) => documentRow(name, one)));
  await showPatches(name, found.length);
}

/** Documents that are gone from the list, and from the library as soon as that can no longer be undone. */
const leaving = new Set();

function documentRow(name, one) {
  const title = one.title || fileName(one.source);
  const row = h("li", { hidden: leaving.has(one.doc_id) },
    h("span", { className: "name", title: one.source }, title),
    h("button", { type: "button", className: "quiet", "aria-label": `Remove ${title}`, onclick: () => remove() }, "Remove"));
  const show = (isThere) => {
    if (isThere) leaving.delete(one.doc_id);
    else leaving.add(one.doc_id);
    row.hidden = !isThere;
  };
  const remove = () => {
    const undo = ["Undo", () => {
      show(true);
      row.querySelector("button").focus();
    }];
    notify(`Removed ${title}.`, { action: undo, onExpire: () => removeNow(name, one.doc_id, show) }).focus();
    show(false);
  };
  return row;
}

async function removeNow(name, docId, show) {
  try {
    await api.removeDocument(name, docId);
    leaving.delete(docId);
    await showDocuments();
  } catch (error) {
    show(true);
    report(error);
  }
}

/** Nothing that was removed may still answer. */
export const settleRemovals = settle;

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
  await showDocuments();
}

/** Lines for the jobs that are under way, from before this page was loaded or from elsewhere. */
async function showJobs() {
  const open = (await api.jobs()).filter((job) => job.kind === "documents" && isOpen(job));
  const lines = open.map((job) => uploadLine(job.num_sources === 1 ? "1 document" : `${job.num_sources} documents`, async () => job));
  byId("uploads").append(...lines.map((one) => one.element));
  await Promise.all(lines.map((one) => one.run()));
  if (lines.length) await showDocuments();
}

const isOpen = (job) => job.status === "queued" || job.status === "running";

/** The first half of the bar is the way to the service, the second the reading and indexing there. */
async function follow(job, line) {
  while (isOpen(job)) {
    const isMany = job.num_sources > 1 && job.status === "running";
    const words = job.status === "queued" ? "Waiting for its turn" : isMany ? `Reading ${job.num_done} of ${job.num_sources}` : "Reading";
    line.progress(0.5 + (0.5 * job.num_done) / Math.max(job.num_sources, 1), words);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    job = await api.job(job.id);
  }
  return job;
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
        end(outcome(await follow(job, line)), "hint");
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
