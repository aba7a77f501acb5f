// Long work of the service: how far it is, and a way to end it.

import * as api from "./api.js";
import { h } from "./dom.js";
import { report } from "./notice.js";

const POLL_MS = 500;

export const isOpen = (job) => job.status === "queued" || job.status === "running";

/** Poll a job until it has ended; `tell(job)` hears how far it is. */
export async function follow(job, tell) {
  while (isOpen(job)) {
    tell(job);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    job = await api.job(job.id);
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

  /** Follow a job to its end. */
  run(job) {
    this.button.onclick = () => {
      this.button.disabled = true;
      this.text.textContent = "Ending …";
      api.cancelJob(job.id).catch(report);
    };
    return follow(job, (now) => this.#show(now));
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
