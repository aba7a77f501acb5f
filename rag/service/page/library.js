// The library picker, its documents, and uploads.

import * as api from "./api.js";
import { fileName } from "./answer.js";
import { byId, h } from "./dom.js";
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
    add([...event.target.files]);
    event.target.value = "";
  });
  startDrop(byId("drop"));
  await showLibraries(localStorage.getItem(CHOSEN));
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

function documentRow(name, one) {
  const title = one.title || fileName(one.source);
  const remove = async (event) => {
    event.target.disabled = true;
    await api.removeDocument(name, one.doc_id);
    await showDocuments();
    byId("documents-box").querySelector("summary").focus();
  };
  return h("li", {},
    h("span", { className: "name", title: one.source }, title),
    h("button", { type: "button", className: "quiet", "aria-label": `Remove ${title}`, onclick: remove }, "Remove"));
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
    add([...event.dataTransfer.files]);
  });
}

/** Upload files one after the other, each with its own line. */
async function add(files) {
  const name = chosenLibrary();
  const lines = files.map((file) => uploadLine(file));
  byId("uploads").replaceChildren(...lines.map((line) => line.element));
  for (const line of lines) {
    try {
      await addOne(name, line);
      line.done("Added");
    } catch (error) {
      line.failed(error.message);
    }
  }
  await showDocuments();
}

/** The first half of the bar is the way to the service, the second the reading and indexing there. */
async function addOne(name, line) {
  let job = await api.upload(name, line.file, (share) => line.progress(share / 2, "Sending"));
  while (job.status === "queued" || job.status === "running") {
    line.progress(0.5 + (0.5 * job.num_done) / Math.max(job.num_sources, 1), "Reading");
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    job = await api.job(job.id);
  }
  if (job.status === "failed") throw new Error(job.error ?? "it could not be added");
}

function uploadLine(file) {
  const bar = h("progress", { max: 1, value: 0, "aria-label": `Adding ${file.name}` });
  const state = h("span", { className: "hint" }, "Waiting");
  const element = h("li", {}, h("span", { className: "name", title: file.name }, file.name), bar, state);
  const end = (text, kind) => {
    bar.remove();
    state.textContent = text;
    state.className = kind;
  };
  return {
    file,
    element,
    progress: (share, text) => {
      bar.value = share;
      if (state.textContent !== text) state.textContent = text;
    },
    done: (text) => end(text, "hint"),
    failed: (text) => end(text, "is-failed"),
  };
}
