// The service's HTTP interface: JSON requests, the event stream of a chat, uploads with progress.

const KEY = "concord-key";
const GONE = "The service cannot be reached. See whether it is running, then try again.";

/** A reply with a status of 400 or more; `message` is the service's own. */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

let askForKey = () => Promise.reject(new ApiError(401, "this service wants an API key"));

/** `ask(reason)` gets a key from the person; it is called when the service refuses the one that is there. */
export function onKeyNeeded(ask) {
  askForKey = ask;
}

/** One request; asks for a key and tries again when there is none or a wrong one. */
async function request(method, path, { body, signal, keepalive } = {}) {
  for (;;) {
    const key = sessionStorage.getItem(KEY);
    const headers = { ...keyHeader(key), ...(body === undefined ? {} : { "Content-Type": "application/json" }) };
    const response = await reached(path, { method, headers, signal, keepalive, body: body && JSON.stringify(body) });
    if (response.ok) return response;
    const error = await readError(response);
    if (response.status !== 401) throw error;
    await newKey(key, error.message);
  }
}

/** `fetch`, whose own words for a service that is gone ("Failed to fetch") help nobody. */
async function reached(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, GONE);
  }
}

const json = async (...parameters) => (await request(...parameters)).json();
const library = (name) => `v1/libraries/${encodeURIComponent(name)}`;

export const models = async () => (await json("GET", "v1/models")).data;
export const makeLibrary = (name) => json("POST", "v1/libraries", { body: { name } });
export const documents = async (name) => (await json("GET", `${library(name)}/documents`)).data;
/** It outlives the page: a removal that was not undone is done. */
export const removeDocument = (name, docId) =>
  request("DELETE", `${library(name)}/documents/${encodeURIComponent(docId)}`, { keepalive: true });
/** A document with passages `offset` to `offset + limit`. */
export const readDocument = (name, docId, part) =>
  json("GET", `${library(name)}/documents/${encodeURIComponent(docId)}?${new URLSearchParams(part)}`);
export const conflicts = (name, part) => json("GET", `${library(name)}/conflicts?${new URLSearchParams(part)}`);
export const compare = (name) => json("POST", `${library(name)}/conflicts`);
export const audit = (name) => json("GET", `${library(name)}/audit`);
export const beginAudit = (name, limit) => json("POST", `${library(name)}/audit`, { body: { limit } });
/** Around documents or a name: `[["doc_id", ...], ...]` or `[["name", ...]]`, and limits. */
export const graph = (name, parameters) => json("GET", `${library(name)}/graph?${new URLSearchParams(parameters)}`);
export const removePatch = (name, key) => request("DELETE", `${library(name)}/patches/${encodeURIComponent(key)}`);
export const jobs = async () => (await json("GET", "v1/jobs")).data;
export const cancelJob = (id) => json("DELETE", `v1/jobs/${encodeURIComponent(id)}`);
export const patches = (name) => json("GET", `${library(name)}/patches`);
export const skills = async () => (await json("GET", "v1/skills")).data;
export const buildPatches = (name) => json("POST", `${library(name)}/patches`, { body: {} });
export const job = (id) => json("GET", `v1/jobs/${encodeURIComponent(id)}`);

/** The chunks of a streamed chat completion, as they come. Aborting `signal` ends the generation on the server too. */
export async function* chat(body, signal) {
  const response = await request("POST", "v1/chat/completions", { body: { ...body, stream: true }, signal });
  for await (const data of events(response.body)) {
    if (data === "[DONE]") return;
    const chunk = JSON.parse(data);
    if (chunk.error) throw new ApiError(500, sentence(chunk.error.message));
    yield chunk;
  }
  throw new ApiError(502, "The connection ended before the answer did. Ask again.");
}

/** The data of every server-sent event in a stream of bytes. */
async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  for (;;) {
    const { done, value } = await reader.read().catch((error) => {
      throw error.name === "AbortError" ? error : new ApiError(0, "The connection to the service was lost. Ask again.");
    });
    if (done) return;
    const parts = (pending + value).replaceAll("\r\n", "\n").split("\n\n");
    pending = parts.pop();
    for (const part of parts) {
      const lines = part.split("\n").filter((line) => line.startsWith("data:"));
      if (lines.length) yield lines.map((line) => line.slice(5).trimStart()).join("\n");
    }
  }
}

/** Send one file under its name with folders; `onProgress(share)` hears how much of it has left, 0 to 1. Resolves to the job that adds it. */
export async function upload(name, { file, path }, onProgress) {
  for (;;) {
    const key = sessionStorage.getItem(KEY);
    const { status, text } = await send(`${library(name)}/files`, file, path, key, onProgress);
    const reply = parsed(text);
    if (status < 400) return reply;
    const error = new ApiError(status, sentence(reply?.error?.message ?? `the service answered ${status}`));
    if (status !== 401) throw error;
    await newKey(key, error.message);
  }
}

/** `fetch` tells nothing of an upload's progress; this older interface does. */
function send(address, file, path, key, onProgress) {
  return new Promise((resolve, reject) => {
    const form = new FormData();
    form.append("files", file, path);
    const call = new XMLHttpRequest();
    call.open("POST", address);
    for (const [header, value] of Object.entries(keyHeader(key))) call.setRequestHeader(header, value);
    call.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    call.onload = () => resolve({ status: call.status, text: call.responseText });
    call.onerror = () => reject(new ApiError(0, GONE));
    call.send(form);
  });
}

async function readError(response) {
  const reply = parsed(await response.text());
  const wait = response.headers.get("Retry-After");
  const again = response.status === 503 && wait ? ` Try again in ${wait} s.` : "";
  return new ApiError(response.status, sentence(reply?.error?.message ?? `the service answered ${response.status}`) + again);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** A message of the service, which begins small and has no full stop. */
const sentence = (message) => message[0].toUpperCase() + message.slice(1) + (/[.!?]$/.test(message) ? "" : ".");

/** The key that is in use, or `null`. */
export const currentKey = () => sessionStorage.getItem(KEY);

/** Have the next request ask for a key. */
export async function changeKey() {
  const key = await askForKey("");
  sessionStorage.setItem(KEY, key);
}

const keyHeader = (key) => (key ? { Authorization: `Bearer ${key}` } : {});

/** After `refused`; another request that was refused too may have got a new one already. */
async function newKey(refused, reason) {
  if (sessionStorage.getItem(KEY) !== refused) return;
  sessionStorage.setItem(KEY, await askForKey(refused ? reason : ""));
}
