// Documents as patches: how many there are, making the missing ones, and whether questions use them.

import * as api from "./api.js";
import { byId } from "./dom.js";
import { follow, openJob } from "./jobs.js";

let library = "";

/** The part of a request that this section decides. */
export const patchOptions = () => (byId("patches-box").hidden ? {} : { patches: byId("patches-mode").value });

/** Whether patches are being built: answers take longer meanwhile. */
export const isBuilding = () => !byId("patches-progress").hidden;

/** Wire the controls. */
export function startPatches() {
  byId("build-patches").addEventListener("click", () => build());
}

/** Show the patches of a library of so many documents; nothing where the service has none. */
export async function showPatches(name, numDocuments) {
  library = name;
  const box = byId("patches-box");
  if (!name || !numDocuments) {
    box.hidden = true;
    return;
  }
  try {
    const found = await api.patches(name);
    if (name !== library) return; // another one was chosen meanwhile
    box.hidden = false;
    const isNone = found.num_patched === 0;
    byId("patches-count").textContent = `${found.num_patched} of ${numDocuments} documents`;
    byId("patches-mode").disabled = isNone;
    if (isNone) byId("patches-mode").value = "off";
    byId("build-patches").hidden = found.num_patched >= numDocuments;
    const job = isBuilding() ? undefined : await openJob("patches", name);
    if (job && name === library) build(job);
  } catch (error) {
    box.hidden = true;
    if (error.status !== 409) throw error;
  }
}

/** Build what is missing; `known` is a build that is under way already. */
async function build(known) {
  const name = library;
  const button = byId("build-patches");
  const bar = byId("patches-progress");
  button.disabled = true;
  bar.hidden = false;
  try {
    const begun = known ?? (await api.buildPatches(name));
    const job = await follow(begun, (now) => {
      bar.value = now.num_done / Math.max(now.num_sources, 1);
      say(now.hint ?? ""); // nobody can work on it at present
    });
    const failed = job.patch_report?.failed ?? [];
    say(job.error ?? (failed.length ? `${failed.length} could not be made: ${failed[0].reason}` : ""));
    if (name === library) await showPatches(name, job.num_sources);
  } catch (error) {
    say(error.message);
  }
  button.disabled = false;
  bar.hidden = true;
}

function say(text) {
  byId("patches-state").textContent = text;
}
