// The library picker, and the list of its documents.

import * as api from "./api.js";
import { byId, h } from "./dom.js";
import { report } from "./notice.js";
import { nameDocument } from "./passage.js";
import { showPatches } from "./patches.js";
import { isLeaving, removeDocument } from "./removal.js";

const CHOSEN = "concord-library";
const NEW = "\0new";
let baseModel = "";

/** The library that is asked, or "" for the model alone. */
export const chosenLibrary = () => (byId("library").value === NEW ? "" : byId("library").value);

/** What a request names as its model. */
export const chosenModel = () => chosenLibrary() || baseModel;

/** Wire the controls and show the libraries there are. */
export async function startLibrary() {
  byId("library").addEventListener("change", choose);
  byId("make-library").addEventListener("submit", make);
  document.addEventListener("concord:documents", () => showDocuments().catch(report));
  document.addEventListener("concord:key", () => showLibraries(chosenLibrary()).catch(report));
  await showLibraries(localStorage.getItem(CHOSEN));
}

/** Ask from this library, if it is there. */
export async function chooseLibrary(name) {
  const select = byId("library");
  if (name === undefined || name === chosenLibrary() || ![...select.options].some((one) => one.value === name)) return;
  select.value = name;
  await choose();
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
  document.dispatchEvent(new Event("concord:library"));
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
  const title = nameDocument(one);
  const button = h("button", { type: "button", className: "quiet", "aria-label": `Remove ${title}` }, "Remove");
  const row = h("li", { hidden: isLeaving(one.doc_id) }, h("span", { className: "name", title: one.source }, title), button);
  const show = (isThere) => (row.hidden = !isThere);
  button.onclick = () => removeDocument(name, one, { show, focus: () => button.focus() });
  return row;
}
