// Shows openapi.json. Texts are set as text, never as markup.
"use strict";

let schemas = {};

function make(tag, members, ...children) {
  const node = Object.assign(document.createElement(tag), members);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// `code` in a text becomes code.
function prose(tag, text) {
  const parts = (text || "").split("`");
  return make(tag, {}, ...parts.map((part, at) => (at % 2 ? make("code", { textContent: part }) : part)));
}

function nameOf(schema) {
  return schema.$ref ? schema.$ref.split("/").pop() : null;
}

function kind(schema) {
  if (schema.$ref) return nameOf(schema);
  if (schema.anyOf) return schema.anyOf.map(kind).join(" | ");
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.length > 12 ? "string" : schema.enum.map((one) => JSON.stringify(one)).join(" | ");
  if (schema.type === "array") return `[${kind(schema.items || {})}]`;
  return schema.type || "any";
}

// What can be opened below a schema: its members, or those of what it names.
function below(schema) {
  if (schema.$ref) return [schemas[nameOf(schema)]];
  if (schema.anyOf) return schema.anyOf.flatMap(below);
  if (schema.type === "array") return below(schema.items || {});
  if (schema.properties && Object.keys(schema.properties).length) return [schema];
  if (schema.additionalProperties && typeof schema.additionalProperties === "object") return below(schema.additionalProperties);
  return [];
}

function members(schema) {
  const required = schema.required || [];
  const list = make("ul", { className: "schema" });
  for (const [name, member] of Object.entries(schema.properties || {})) {
    list.append(make("li", {}, make("code", { textContent: name }), " ",
      required.includes(name) ? make("span", { className: "must", textContent: "always " }) : null,
      shown(member)));
  }
  return list;
}

// A schema in a line, with its members behind a click.
function shown(schema) {
  const line = make("span", {}, make("span", { className: "kind", textContent: kind(schema) }));
  if (schema.description) line.append(" ", prose("span", schema.description));
  const inner = below(schema);
  if (!inner.length) return line;
  const details = make("details", {}, make("summary", {}, line));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) {
      details.append(...inner.flatMap((one) => (one.properties ? [members(one)] : below(one).map(members))));
    }
  });
  return details;
}

function parameters(all) {
  const list = make("dl", {});
  for (const one of all) {
    list.append(make("dt", {}, make("code", { textContent: one.name }), " ",
      make("span", { className: "kind", textContent: `${kind(one.schema)} in ${one.in}` })));
    if (one.description) list.append(prose("dd", one.description));
  }
  return list;
}

function responses(all) {
  return make("div", {}, ...Object.entries(all).map(([status, answer]) => {
    const line = make("p", {}, make("span", { className: status < "300" ? "status good" : "status", textContent: status }), " ",
      prose("span", answer.description));
    for (const [media, content] of Object.entries(answer.content || {})) {
      if (status >= "300") continue;
      const schema = content.schema["x-event-data"] || content.schema;
      line.append(make("div", {}, make("span", { className: "kind", textContent: `${media} ` }), shown(schema)));
    }
    return line;
  }));
}

function article(path, method, operation) {
  const head = make("h3", {}, make("span", { className: `method ${method}`, textContent: method.toUpperCase() }), path);
  const node = make("article", { id: operation.operationId }, head, prose("p", operation.summary));
  if (operation.description) node.append(prose("p", operation.description));
  if (operation.parameters) node.append(make("h4", { textContent: "Parameters" }), parameters(operation.parameters));
  if (operation.requestBody) {
    const content = operation.requestBody.content["application/json"];
    node.append(make("h4", { textContent: "Body" }), shown(content.schema));
  }
  node.append(make("h4", { textContent: "Answers" }), responses(operation.responses));
  return node;
}

async function show() {
  const page = document.getElementById("page");
  const answer = await fetch("openapi.json");
  if (!answer.ok) throw new Error(`openapi.json: ${answer.status}`);
  const api = await answer.json();
  schemas = api.components.schemas;
  page.append(make("p", { className: "kind", textContent: `version ${api.info.version} · OpenAPI ${api.openapi}` }),
    prose("p", api.info.description));
  const index = document.getElementById("index");
  const tags = new Map(api.tags.map((tag) => [tag.name, []]));
  for (const [path, item] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      const tag = operation.tags[0];
      tags.get(tag).push([path, method, operation]);
    }
  }
  for (const [tag, operations] of tags) {
    index.append(make("h2", { textContent: tag }));
    page.append(make("h2", { textContent: tag }));
    for (const [path, method, operation] of operations) {
      index.append(make("a", { href: `#${operation.operationId}` },
        make("span", { className: `method ${method}`, textContent: method.toUpperCase() }), make("span", { className: "path", textContent: path, title: operation.summary })));
      page.append(article(path, method, operation));
    }
  }
  if (location.hash) document.querySelector(location.hash)?.scrollIntoView();
}

show().catch((error) => document.getElementById("page").append(prose("p", `The document cannot be shown: ${error.message}`)));
