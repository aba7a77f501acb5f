// What conflicts and audit have in common: when it was done, a button that does it, and how far that is.

import * as api from "./api.js";
import { h } from "./dom.js";
import { JobLine, openJob } from "./jobs.js";
import { report } from "./notice.js";

/**
 * The head of a survey. `about` has `kind`, `label` of its job, `words(job)`, `begin()` that starts it, `button(report)`
 * that names it, and `load()`; `show(report)` is called with the first report and with each new one.
 */
export class Survey {
  constructor(library, about, show) {
    this.library = library;
    this.about = about;
    this.showReport = show;
    this.state = h("p", { className: "hint", role: "status" });
    this.button = h("button", { type: "button", onclick: () => this.#begin() });
    this.job = h("div");
    this.element = h("div", { className: "survey" }, this.state, this.button, this.job);
  }

  /** Show what there is, and follow a job that is under way. */
  async open() {
    await this.#load();
    openJob(this.about.kind, this.library).then((job) => job && this.#run(job)).catch(report);
  }

  async #load() {
    const report = await this.about.load();
    this.state.textContent = stateOf(report);
    this.state.classList.toggle("is-stale", Boolean(report.made_at) && !report.is_current);
    this.button.textContent = this.about.button(report);
    this.showReport(report);
  }

  async #begin() {
    this.button.disabled = true;
    try {
      await this.#run(await this.about.begin());
    } catch (error) {
      report(error);
    }
    this.button.disabled = false;
  }

  async #run(job) {
    const line = new JobLine(this.about.label, this.about.words);
    this.button.hidden = true;
    this.job.replaceChildren(line.element);
    try {
      const ended = await line.run(job);
      this.job.replaceChildren(...wordsOf(ended));
      if (ended.status === "done") await this.#load();
    } catch (error) {
      const again = h("button", { type: "button", onclick: () => this.#run(job) }, "Try again");
      this.job.replaceChildren(h("p", { className: "error", role: "alert" }, h("span", {}, error.message), again));
    }
    this.button.hidden = false;
  }
}

function wordsOf(job) {
  if (job.status === "cancelled") return [h("p", { className: "hint", role: "status" }, "Cancelled. The next time it goes on where it was.")];
  if (job.status === "failed") return [h("p", { className: "error", role: "alert" }, `It did not work: ${job.error ?? "the service's log has the reason"}.`)];
  return [];
}

function stateOf(report) {
  if (!report.made_at) return "Not done yet.";
  const when = new Date(report.made_at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  return report.is_current ? `Done ${when}.` : `Done ${when}. The library has changed since.`;
}

/** A button that opens the place of a document where something stands. */
export function placeButton(place, open) {
  const about = [place.title || place.source, place.location, place.date].filter(Boolean).join(", ");
  return h("button", { type: "button", title: place.source, onclick: open }, about);
}

/** A row of choices of which one holds; `choose(value)` hears which. */
export function choices(label, options, choose) {
  const name = `choice-${label.replaceAll(" ", "-")}`;
  const one = ([value, text], index) => h("label", {},
    h("input", { type: "radio", name, value, checked: index === 0, onchange: () => choose(value) }), h("span", {}, text));
  return h("div", { className: "choices", role: "radiogroup", "aria-label": label }, ...options.map(one));
}

/** A list that shows `step` entries at a time. */
export function longList(list, entries, step = 50) {
  const more = h("button", { type: "button" });
  const box = h("div", { className: "long" }, list, more);
  let shown = 0;
  const grow = () => {
    const first = shown;
    list.append(...entries.slice(shown, shown + step).map((make) => make()));
    shown = Math.min(shown + step, entries.length);
    more.hidden = shown >= entries.length;
    more.textContent = `Show ${Math.min(step, entries.length - shown)} more of ${entries.length}`;
    if (first) list.children[first].querySelector("a, button")?.focus();
  };
  more.onclick = grow;
  grow();
  return box;
}
