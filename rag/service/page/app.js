// The conversation: sends questions, shows answers as they come, keeps what was said.

import * as api from "./api.js";
import { AnswerView, hasDocuments } from "./answer.js";
import { dialOptions, startDial } from "./dial.js";
import { byId, h } from "./dom.js";
import { chooseLibrary, chosenLibrary, chosenModel, startLibrary } from "./library.js";
import { notify, report, settle } from "./notice.js";
import { isBuilding, patchOptions, startPatches } from "./patches.js";
import { briefStep, chats, newChat, openStore, removeChat, saveChat, textOf, titleOf, toMarkdown } from "./store.js";
import { hideCandidates } from "./tokens.js";
import { showUploads, startUploads } from "./uploads.js";
import { startViews } from "./views.js";

// The service takes 200 messages; the models read far fewer.
const MAX_TURNS = 40;
const CURRENT = "concord-chat";
let chat = newChat();
let running = null;
let editing = -1;

async function ask(question) {
  const log = byId("log");
  log.querySelector(".welcome")?.remove();
  localStorage.setItem(CURRENT, chat.id);
  const history = messagesOf(chat.turns);
  const turn = { question, pieces: [], about: {}, state: "running", error: "" };
  const mine = chat;
  mine.turns.push(turn);
  mine.library = chosenLibrary();
  keep(mine);
  const view = show(turn);
  view.element.scrollIntoView({ block: "end" });
  setRunning(new AbortController());
  const { signal } = running;
  if (isBuilding()) view.say("Looking through the documents. Patches are being built: this takes longer than usual …");
  try {
    await settle(); // nothing that was removed may still answer
    await receive(view, turn, [...history, { role: "user", content: question }], signal);
    turn.state = "done";
    const isConflict = turn.about.conflict?.is_conflict && hasDocuments(turn.about);
    announce(`${textOf(turn)} ${turn.about.verdict?.summary ?? (isConflict ? "Memory and documents disagree." : "")}`);
  } catch (error) {
    turn.state = error.name === "AbortError" ? "stopped" : "failed";
    turn.error = turn.state === "failed" ? error.message : "";
  }
  if (view.element.isConnected) {
    finish(view, turn);
    follow(view.element, true);
  }
  if (signal === running?.signal) setRunning(null);
  keep(mine);
}

/** Show the chunks as they come, and note them; what the last ones say about the whole answer. */
async function receive(view, turn, conversation, signal) {
  const rag = chosenLibrary() ? { ...dialOptions(), ...patchOptions(), trace: true } : {};
  for await (const chunk of api.chat({ model: chosenModel(), messages: conversation, rag }, signal)) {
    const choice = chunk.choices?.[0];
    const piece = choice?.delta?.content;
    if (piece) turn.pieces.push([piece, briefStep(chunk.step)]);
    view.add(piece, chunk.step);
    if (choice?.finish_reason) turn.about.finish_reason = choice.finish_reason;
    for (const key of ["draft", "verdict", "citations", "timings", "decoder", "patches", "notice"]) if (chunk[key]) turn.about[key] = chunk[key];
    if (chunk.conflict) turn.about.conflict = { ...chunk.conflict, steps: undefined };
    follow(view.element, false);
  }
}

/** The turns that have an answer, as the service takes them. */
function messagesOf(turns) {
  const answered = turns.filter((turn) => textOf(turn)).slice(-MAX_TURNS);
  return answered.flatMap((turn) => [{ role: "user", content: turn.question }, { role: "assistant", content: textOf(turn) }]);
}

/** Put a turn at the end of the log; its answer, to be filled. */
function show(turn) {
  const view = new AnswerView();
  const edit = h("button", { type: "button", className: "quiet", "aria-label": "Change this question", onclick: () => startEditing(turn) }, "Edit");
  byId("log").append(h("div", { className: "question" }, h("p", {}, turn.question), edit), view.element);
  return view;
}

/** Show how a turn ended, and what can be done with it. */
function finish(view, turn) {
  const again = () => askAgain(turn);
  if (turn.state === "done") view.finish(turn.about);
  else if (turn.state === "failed") view.fail(turn.error, ["Try again", again]);
  else if (turn.state === "running") view.stopped("Stopped when the page was left.");
  else view.stopped();
  const copy = ["Copy", (event) => copyText(textOf(turn), event.target)];
  view.offer(...(textOf(turn) ? [copy] : []), ...(turn.state === "failed" ? [] : [["Ask again", again, "again"]]));
}

function askAgain(turn) {
  if (running) return;
  cut(chat.turns.indexOf(turn));
  ask(turn.question);
}

/** Forget the turns from this one on. */
function cut(index) {
  chat.turns.splice(index);
  render();
}

/** Show the whole chat. */
function render() {
  byId("log").replaceChildren(...(chat.turns.length ? [] : [welcome()]));
  for (const turn of chat.turns) {
    const view = show(turn);
    for (const [piece, step] of turn.pieces) view.add(piece, step);
    finish(view, turn);
  }
  stopEditing();
  showChats();
}

function startEditing(turn) {
  if (running) return;
  editing = chat.turns.indexOf(turn);
  byId("editing").hidden = false;
  const field = byId("question");
  field.value = turn.question;
  field.dispatchEvent(new Event("input"));
  field.focus();
}

function stopEditing() {
  if (editing >= 0) byId("question").value = "";
  editing = -1;
  byId("editing").hidden = true;
}

async function copyText(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  } catch {
    notify("This browser does not let the page copy. Select the text and copy it yourself.", { isError: true });
  }
}

/** Keep a chat in this browser, unless it was deleted while it was being answered. */
function keep(one) {
  if (one !== chat && !chats().some((kept) => kept.id === one.id)) return;
  if (!saveChat(one)) {
    notify("This chat is too long to be kept in this browser. Save it as a file.", { isError: true });
  }
  showChats();
}

function showChats() {
  const row = (one) => h("li", {},
    h("button", { type: "button", className: "quiet name", "aria-current": one.id === chat.id, onclick: () => openChat(one) }, titleOf(one)),
    h("button", { type: "button", className: "quiet", "aria-label": `Delete the chat: ${titleOf(one)}`, onclick: () => deleteChat(one) }, "Delete"));
  byId("chats").replaceChildren(...chats().map(row));
  byId("exports").hidden = chat.turns.length === 0;
}

function openChat(one) {
  location.hash = "#/ask";
  running?.abort();
  chat = one;
  localStorage.setItem(CURRENT, chat.id);
  chooseLibrary(chat.library).catch(report);
  render();
}

function deleteChat(one) {
  removeChat(one.id);
  if (one.id === chat.id) startChat();
  else showChats();
  const undo = ["Undo", () => {
    saveChat(one);
    showChats();
  }];
  notify("Chat deleted.", { action: undo }).focus();
}

/** Give the person the chat as a file. */
function download(name, kind, text) {
  const url = URL.createObjectURL(new Blob([text], { type: kind }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
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

function startChat() {
  running?.abort();
  chat = newChat();
  localStorage.setItem(CURRENT, chat.id);
  render();
  byId("question").focus();
}

/** Go on with the chat that was open when the page was left. */
function restore() {
  openStore(api.currentKey());
  const last = chats().find((one) => one.id === localStorage.getItem(CURRENT));
  if (last) chat = last;
  render();
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
    if (editing >= 0) cut(editing);
    field.value = "";
    fit();
    ask(question);
  });
  byId("stop").addEventListener("click", () => {
    running?.abort();
    field.focus();
  });
  byId("stop-editing").addEventListener("click", () => {
    stopEditing();
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
  addEventListener("hashchange", () => set(false));
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
      setTimeout(restore); // the chats of whoever has this key
    };
    dialog.showModal();
  });
  return asking;
}

/** What was written but not sent outlives the page too. */
function startDraft() {
  const field = byId("question");
  field.value = sessionStorage.getItem("concord-draft") ?? "";
  addEventListener("pagehide", () => {
    sessionStorage.setItem("concord-draft", field.value);
    if (running) keep(chat);
  });
}

async function start() {
  try {
    await startLibrary();
    showUploads().catch(report);
  } catch (error) {
    byId("log").append(h("p", { className: "error", role: "alert" },
      h("span", {}, `The libraries cannot be shown. ${error.message}`),
      h("button", { type: "button", onclick: () => location.reload() }, "Try again")));
  }
}

api.onKeyNeeded(askForKey);
byId("new-chat").addEventListener("click", startChat);
byId("save-markdown").addEventListener("click", () => download("chat.md", "text/markdown", toMarkdown(chat)));
byId("save-json").addEventListener("click", () => download("chat.json", "application/json", JSON.stringify(chat, null, 1)));
byId("log").addEventListener("scroll", hideCandidates);
startComposer();
startPanel();
startDial();
startPatches();
startUploads();
startDraft();
startViews();
restore();
start();
