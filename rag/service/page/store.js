// Chats, kept in this browser and nowhere else. Each key has its own, so that two people at one machine do not mix.

const PREFIX = "concord-chats-";
const MAX_CHATS = 100;
let space = PREFIX;

/** Use the chats of the person with this key; `null` where the service wants none. */
export function openStore(key) {
  space = PREFIX + (key ? fingerprint(key) : "local");
}

/** All chats, newest first: `{id, library, turns: [{question, pieces, about, state, error}]}`. */
export function chats() {
  try {
    return JSON.parse(localStorage.getItem(space)) ?? [];
  } catch {
    return []; // damaged by hand
  }
}

/** Put a chat first. Returns whether it could be kept; the oldest ones make room. */
export function saveChat(chat) {
  const all = [chat, ...chats().filter((one) => one.id !== chat.id)].slice(0, MAX_CHATS);
  for (; all.length; all.pop()) {
    try {
      localStorage.setItem(space, JSON.stringify(all));
      return true;
    } catch {
      // Full: try without the oldest.
    }
  }
  return false;
}

export function removeChat(id) {
  localStorage.setItem(space, JSON.stringify(chats().filter((one) => one.id !== id)));
}

export const newChat = () => ({ id: Array.from(crypto.getRandomValues(new Uint32Array(2)), (n) => n.toString(36)).join(""), turns: [] });

/** What the list of chats calls one. */
export const titleOf = (chat) => chat.turns[0]?.question.slice(0, 80) ?? "New chat";

/** The part of a step that the page shows. */
export function briefStep(step) {
  if (!step) return null;
  const { jsd, context_top, parametric_top, context_logprob, parametric_logprob } = step;
  return { jsd, context_top, parametric_top, context_logprob, parametric_logprob };
}

/** The text of an answer; where the verdict has changed the draft, that is the last piece alone. */
export const textOf = (turn) => (turn.about.draft ? turn.pieces.slice(-1) : turn.pieces).map(([piece]) => piece).join("").trim();

/** A chat as a document for people, its sources as a list below each answer. */
export function toMarkdown(chat) {
  const parts = [`# ${titleOf(chat)}`];
  for (const turn of chat.turns) {
    parts.push(`**${turn.question}**`, textOf(turn) || `*${turn.error || "no answer"}*`);
    const sources = (turn.about.citations ?? []).map((one, index) => `${index + 1}. ${one.title || one.source} (${one.source})`);
    if (sources.length) parts.push(sources.join("\n"));
  }
  return `${parts.join("\n\n")}\n`;
}

/** FNV-1a: tells keys apart; says nothing about them that could be used. */
function fingerprint(key) {
  let hash = 0x811c9dc5;
  for (const character of key) hash = Math.imul(hash ^ character.codePointAt(0), 0x01000193) >>> 0;
  return hash.toString(36);
}
