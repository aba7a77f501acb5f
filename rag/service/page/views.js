// What is in the middle of the page: the conversation, or one of the views of the library. The address says which
// (#/conflicts, #/graph/doc/ID), so a reload and the way back keep it.

import { h, byId } from "./dom.js";
import { chosenLibrary } from "./library.js";
import * as audit from "./audit.js";
import * as conflicts from "./conflicts.js";
import * as documents from "./documents.js";
import * as graph from "./graph.js";
import * as patches from "./patch-list.js";

const VIEWS = { documents, conflicts, audit, graph, patches };

/** Follow the address and the choice of the library. */
export function startViews() {
  addEventListener("hashchange", () => show({ isMoving: true }));
  document.addEventListener("concord:library", () => show());
  document.addEventListener("concord:documents", () => {
    if (chosenView().view?.followsDocuments) show();
  });
  byId("new-chat").addEventListener("click", () => (location.hash = ""));
  show();
}

/** The view that the address names, and the parts of the address behind its name. */
function chosenView() {
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  return { name: name in VIEWS ? name : "ask", view: VIEWS[name], rest: rest.map(decodedPart) };
}

function show({ isMoving = false } = {}) {
  const { name, view, rest } = chosenView();
  for (const link of byId("views").querySelectorAll("a")) {
    if (link.hash === `#/${name}`) {
      link.setAttribute("aria-current", "page");
      link.scrollIntoView({ inline: "nearest", block: "nearest" });
    } else link.removeAttribute("aria-current");
  }
  byId("ask").hidden = Boolean(view);
  const box = byId("view");
  box.hidden = !view;
  if (!view) {
    if (isMoving && matchMedia("(min-width: 52rem)").matches) byId("question").focus(); // on a phone the keys would cover all
    return;
  }
  // Each time a new element: what an earlier one still waits for comes to nothing.
  const page = h("div", { className: "view-page" }, h("h2", { tabIndex: -1 }, view.title));
  box.replaceChildren(page);
  box.scrollTop = 0;
  if (isMoving) page.firstChild.focus();
  fill(page, view, rest);
}

async function fill(page, view, rest) {
  const library = chosenLibrary();
  if (!library) {
    page.append(h("p", { className: "hint" }, "This shows one library. Choose or make one under “Library”."));
    return;
  }
  const waiting = h("p", { className: "waiting", role: "status" }, "Loading …");
  page.append(waiting);
  try {
    const content = await view.render({ library, rest, page });
    waiting.replaceWith(...content);
  } catch (error) {
    waiting.replaceWith(problem(error, () => show()));
  }
}

/** What went wrong, where it was looked for, and a way on. */
export function problem(error, again) {
  return h("p", { className: "error", role: "alert" }, h("span", {}, error.message),
    h("button", { type: "button", onclick: again }, "Try again"));
}

function decodedPart(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // written by hand
  }
}
