// The conversation: sends questions, shows answers as they come, keeps what was said.

import * as api from "./api.js";
import { AnswerView, hasDocuments, hideCandidates } from "./answer.js";
import { dialOptions, startDial } from "./dial.js";
import { byId, h } from "./dom.js";
import { chosenLibrary, chosenModel, startLibrary } from "./library.js";
import { patchOptions, startPatches } from "./patches.js";

const messages = [];
let running = null;

async function ask(question) {
  const log = byId("log");
  log.querySelector(".welcome")?.remove();
  const view = new AnswerView();
  log.append(h("p", { className: "question" }, question), view.element);
  view.element.scrollIntoView({ block: "end" });
  setRunning(new AbortController());
  const turn = { role: "user", content: question };
  try {
    const last = await receive(view, [...messages, turn], running.signal);
    view.finish(last);
    messages.push(turn, { role: "assistant", content: view.plain });
    const isConflict = last.conflict?.is_conflict && hasDocuments(last);
    const found = last.verdict?.summary ?? (isConflict ? "Memory and documents disagree." : "");
    announce(`${view.plain} ${found}`);
  } catch (error) {
    if (error.name === "AbortError") view.stopped();
    else view.fail(error.message);
  }
  follow(view.element, true);
  setRunning(null);
}

/** Show the chunks as they come; what the last ones say about the whole answer. */
async function receive(view, conversation, signal) {
  const rag = chosenLibrary() ? { ...dialOptions(), ...patchOptions(), trace: true } : {};
  const about = {};
  for await (const chunk of api.chat({ model: chosenModel(), messages: conversation, rag }, signal)) {
    const choice = chunk.choices?.[0];
    view.add(choice?.delta?.content, chunk.step);
    if (choice?.finish_reason) about.finish_reason = choice.finish_reason;
    for (const key of ["verdict", "citations", "conflict", "timings", "decoder", "patches", "notice"]) if (chunk[key]) about[key] = chunk[key];
    follow(view.element, false);
  }
  return about;
}

/** Keep the end of the answer in sight, unless the person has scrolled away from it. */
function follow(element, isFinished) {
  const log = byId("log");
  const distance = log.scrollHeight - log.scrollTop - log.clientHeight;
  if (distance < (isFinished ? 400 : 120)) log.scrollTop = log.scrollHeight;
}

function setRunning(controller) {
  running = controller;
  byId("send").hidden = Boolean(controller);
  byId("stop").hidden = !controller;
}

function announce(text) {
  byId("announcer").textContent = text;
}

function welcome() {
  return h("div", { className: "welcome" },
    h("h2", {}, "Ask your documents, and see where they disagree with the model"),
    h("p", {}, "Every answer is marked where the documents and the model's own memory differ: the stronger the amber, " +
      "the further apart they are. Point at a word to see what each of the two would have said."));
}

function newChat() {
  running?.abort();
  messages.length = 0;
  byId("log").replaceChildren(welcome());
  byId("question").focus();
}

function startComposer() {
  const field = byId("question");
  const fit = () => {
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight}px`;
  };
  field.addEventListener("input", fit);
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    byId("composer").requestSubmit();
  });
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    const question = field.value.trim();
    if (!question || running) return;
    field.value = "";
    fit();
    ask(question);
  });
  byId("stop").addEventListener("click", () => {
    running?.abort();
    field.focus();
  });
}

function startPanel() {
  const button = byId("toggle-panel");
  const set = (isOpen) => {
    byId("panel").classList.toggle("is-open", isOpen);
    button.setAttribute("aria-expanded", isOpen);
  };
  button.addEventListener("click", () => set(button.getAttribute("aria-expanded") !== "true"));
  byId("main").addEventListener("pointerdown", () => set(false));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    hideCandidates();
    if (button.getAttribute("aria-expanded") === "true") {
      set(false);
      button.focus();
    }
  });
}

/** Ask the person for a key; one dialog serves all requests that wait for it. */
let asking = null;
function askForKey(reason) {
  asking ??= new Promise((resolve) => {
    const dialog = byId("key");
    if (reason) byId("key-reason").textContent = `The key was refused: ${reason}`;
    const field = byId("key-value");
    field.value = "";
    dialog.oncancel = (event) => event.preventDefault();
    byId("key-form").onsubmit = () => {
      asking = null;
      resolve(field.value.trim());
    };
    dialog.showModal();
  });
  return asking;
}

api.onKeyNeeded(askForKey);
byId("log").append(welcome());
byId("new-chat").addEventListener("click", newChat);
byId("log").addEventListener("scroll", hideCandidates);
startComposer();
startPanel();
startDial();
startPatches();
startLibrary().catch((error) => {
  byId("log").append(h("p", { className: "error", role: "alert" }, `The libraries cannot be shown: ${error.message}`));
});
