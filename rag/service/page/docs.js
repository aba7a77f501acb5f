// The OpenAPI document as a page: every route, its parameters, its forms and an example. Nothing is loaded from elsewhere.

import { byId, h } from "./dom.js";

const document_ = await (await fetch("openapi.json")).json();

/** The schema that a reference names, or the schema itself. */
const resolved = (schema) => (schema?.$ref ? document_.components.schemas[schema.$ref.split("/").pop()] : schema);

const nameOf = (schema) => schema?.$ref?.split("/").pop() ?? "";

/** A type in words: `text or none`, `list of ChatMessage`. */
function typeOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return nameOf(schema);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return choices.map(typeOf).join(" or ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" or ");
  if (schema.type === "array") return `list of ${typeOf(schema.items) || "anything"}`;
  return { string: "text", integer: "whole number", number: "number", boolean: "true or false", null: "none", object: "object" }[schema.type] ?? "anything";
}

function table(rows) {
  const head = h("tr", {}, ...["name", "type", "meaning"].map((name) => h("th", { scope: "col" }, name)));
  const line = ([name, type, meaning]) => h("tr", {}, h("td", {}, h("code", {}, name)), h("td", {}, type), h("td", {}, meaning));
  return h("table", {}, h("thead", {}, head), h("tbody", {}, ...rows.map(line)));
}

function form(title, schema) {
  const whole = resolved(schema);
  const required = new Set(whole?.required ?? []);
  const rows = Object.entries(whole?.properties ?? {}).map(([name, one]) =>
    [name, typeOf(one) + (required.has(name) ? ", required" : ""), one.description ?? ""]);
  const parts = [h("h3", {}, nameOf(schema) ? `${title}: ${nameOf(schema)}` : title)];
  if (rows.length) parts.push(table(rows));
  if (whole?.example) parts.push(h("pre", { tabIndex: 0, "aria-label": "Example" }, JSON.stringify(whole.example, null, 2)));
  return parts;
}

/** Words between backquotes as code. */
const withCode = (text) => text.split(/`+/).map((part, index) => (index % 2 ? h("code", {}, part) : part));

function route(path, method, about) {
  const body = Object.values(about.requestBody?.content ?? {})[0]?.schema;
  const reply = about.responses?.[Object.keys(about.responses)[0]]?.content?.["application/json"]?.schema;
  const inputs = (about.parameters ?? []).map((one) =>
    [one.name, typeOf(one.schema) + (one.required ? ", required" : ""), one.description ?? one.in]);
  return h("details", {},
    h("summary", {}, h("b", {}, method.toUpperCase()), h("code", {}, path), h("span", {}, about.summary ?? "")),
    h("div", { className: "body" },
      h("p", {}, ...withCode(about.description ?? "")),
      ...(inputs.length ? [h("h3", {}, "Parameters"), table(inputs)] : []),
      ...(body ? form("Body", body) : []),
      ...(reply ? form("Reply", reply) : [])));
}

const groups = new Map();
for (const [path, methods] of Object.entries(document_.paths)) {
  for (const [method, about] of Object.entries(methods)) {
    const group = about.tags?.[0] ?? "other";
    groups.set(group, [...(groups.get(group) ?? []), route(path, method, about)]);
  }
}
byId("routes").replaceChildren(...[...groups].map(([group, routes]) => h("section", {}, h("h2", {}, group), ...routes)));
