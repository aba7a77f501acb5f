// Long work of the service: how far it is, and a way to end it.

import * as api from "./api.js";
import { h } from "./dom.js";
import { report } from "./notice.js";

const FIRST_MS = 400;
const LAST_MS = 2000;
// The service has no time at present; it says so itself.
const BUSY = new Set([429, 503]);

export const isOpen = (job) => job.status === "queued" || job.status === "running";

/** Poll a job until it has ended, ever more seldom; `tell(job)` hears how far it is. Ends early when `isWanted` says no. */
export async function follow(job, tell, isWanted = () => true) {
  for (let wait = FIRST_MS; isOpen(job); wait = Math.min(1.3 * wait, LAST_MS)) {
    tell(job);
    await new Promise((resolve) => setTimeout(resolve, wait));
    if (!isWanted()) break;
    job = await api.job(job.id).catch((error) => {
      if (BUSY.has(error.status)) return job;
      throw error;
    });
  }
  return job;
}

/** The job of a kind that works on a library now, if there is one. */
export async function openJob(kind, library) {
  return (await api.jobs()).find((job) => job.kind === kind && job.library === library && isOpen(job));
}

/** A bar with words and a button that cancels. `words(job)` says what a running job is at. */
export class JobLine {
  constructor(label, words) {
    this.words = words;
    this.bar = h("progress", { max: 1, "aria-label": label });
    this.text = h("span", { className: "hint", role: "status" }, "Beginning …");
    this.button = h("button", { type: "button", className: "quiet", "aria-label": `Cancel: ${label}` }, "Cancel");
    this.element = h("div", { className: "job" }, this.bar, this.text, this.button);
  }

  /** Follow a job to its end, or as long as the line is shown. */
  run(job) {
    this.button.onclick = () => {
      this.button.disabled = true;
      this.text.textContent = "Ending …";
      api.cancelJob(job.id).catch(report);
    };
    return follow(job, (now) => this.#show(now), () => this.element.isConnected);
  }

  #show(job) {
    const isCounted = job.status === "running" && job.num_sources > 0;
    if (isCounted) this.bar.value = job.num_done / job.num_sources;
    else this.bar.removeAttribute("value");
    if (this.button.disabled) return;
    const text = job.status === "queued" ? "Waiting for its turn" : isCounted ? this.words(job) : "Reading the library";
    if (this.text.textContent !== text) this.text.textContent = text;
  }
}
