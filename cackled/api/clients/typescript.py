"""A TypeScript module from the API's description: for browsers, Node, Deno and Bun, by ``fetch``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from cackled.api.clients import Operation, operations, reference

_IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)

_HEAD = """// Made from the description of the API of cackled %s (/api/v1/openapi.json).
// Do not change it: make it again.

/** What a call sends beside its arguments. */
export interface Options {
  /** Idempotency-Key: a call with the same one is done once. One is made where none is given. */
  key?: string;
  /** If-Match: the ETag of what is changed, as the answer before had it. */
  match?: string;
  signal?: AbortSignal;
}

/** The server said no: `slug` names the problem for programs (RFC 9457). */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly slug: string,
    readonly problem: Record<string, unknown>,
  ) {
    super(String(problem.detail ?? problem.title ?? `HTTP ${status}`));
  }
}

const RETRIED = new Set([429, 503]);

export class Client {
  /** The headers of the last answer: ETag, RateLimit, X-Cackled-Staleness. */
  headers: Headers = new Headers();

  /**
   * @param base the server's address: https://comments.example
   * @param token a key of the site, or a session's token
   */
  constructor(
    readonly base: string,
    public token = '',
    readonly tries = 4,
  ) {}

  /** The ETag of the last answer, to be sent as `match`. */
  get etag(): string {
    return this.headers.get('etag') ?? '';
  }

  async call(
    method: string,
    path: string,
    query: object = {},
    body?: unknown,
    {key, match, signal}: Options = {},
    text = false,
  ): Promise<any> {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      for (const one of Array.isArray(value) ? value : [value]) if (one != null) search.append(name, String(one));
    }
    const headers: Record<string, string> = {accept: 'application/json'};
    if (this.token) headers.authorization = `Bearer ${this.token}`;
    if (body !== undefined) headers['content-type'] = 'application/json';
    if (key) headers['idempotency-key'] = key;
    if (match) headers['if-match'] = match;
    const address = `${this.base.replace(/\\/$/, '')}/api/v1${path}${search.size ? `?${search}` : ''}`;
    for (let count = 1; ; count++) {
      const sent = body === undefined ? undefined : JSON.stringify(body);
      const answer = await fetch(address, {method, headers, body: sent, signal});
      this.headers = answer.headers;
      const said = await answer.text();
      if (answer.ok) return text ? said : said ? JSON.parse(said) : undefined;
      // Only what is done once may come twice.
      if (RETRIED.has(answer.status) && count < this.tries && (method === 'GET' || key)) {
        const seconds = Number(answer.headers.get('retry-after')) || count;
        await new Promise(done => setTimeout(done, seconds * 1000));
        continue;
      }
      let problem: Record<string, unknown> = {};
      try {
        problem = JSON.parse(said);
      } catch {
        // An answer of a server in between.
      }
      throw new Refused(answer.status, String(problem.type ?? '').replace(/^.*\\//, ''), problem);
    }
  }
"""
_TAIL = """}

/** Every page of a list: `pages(cursor => client.listWebhookDeliveries(1, '7', {cursor}))`. */
export async function* pages<T extends {next?: string | null; cursor?: string | null}>(
  ask: (cursor: string | undefined) => Promise<T>,
): AsyncGenerator<T> {
  let cursor: string | undefined;
  do {
    const page = await ask(cursor);
    yield page;
    cursor = page.next ?? page.cursor ?? undefined;
  } while (cursor);
}
"""


def module(document: Mapping[str, Any]) -> str:
    """The source of the client."""
    parts = [_HEAD % document["info"]["version"]]
    parts += [_method(one) for one in operations(document)]
    parts.append(_TAIL)
    parts += [_shape(name, schema) for name, schema in document["components"]["schemas"].items()]
    return "\n".join(parts)


def type_of(schema: Mapping[str, Any] | None) -> str:
    """The type that a JSON Schema describes; what is not known here is ``unknown``."""
    if not schema:
        return "unknown"
    name = reference(schema)
    if name is not None:
        return _name_of(name)
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(json.dumps(one) for one in schema["enum"])
    if "anyOf" in schema or "oneOf" in schema:
        return " | ".join(dict.fromkeys(type_of(one) for one in schema.get("anyOf") or schema["oneOf"]))
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(type_of({**schema, "type": one}) for one in kind)
    if kind == "array":
        inner = type_of(schema.get("items") if isinstance(schema.get("items"), Mapping) else None)
        return f"({inner})[]" if " " in inner else f"{inner}[]"
    if kind == "object":
        if "properties" in schema:
            return _members(schema)
        more = schema.get("additionalProperties")
        return f"Record<string, {type_of(more if isinstance(more, Mapping) else None)}>"
    return {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}.get(
        str(kind), "unknown"
    )


def _members(schema: Mapping[str, Any]) -> str:
    required = set(schema.get("required", ()))
    found = [
        f"{_member(name)}{'' if name in required else '?'}: {type_of(one)}"
        for name, one in schema["properties"].items()
    ]
    return "{" + "; ".join(found) + "}"


def _member(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) else json.dumps(name)


def _name_of(name: str) -> str:
    return re.sub(r"\W+", "_", name)


def _shape(name: str, schema: Mapping[str, Any]) -> str:
    comment = " ".join(str(schema.get("description", "")).split()).replace("*/", "* /")
    return f"/** {comment} */\nexport type {_name_of(name)} = {type_of(schema)};\n"


def _method(one: Operation) -> str:
    places = [given for given in one.arguments if given.where == "path"]
    queries = [given for given in one.arguments if given.where == "query"]
    signature = [f"{given.name}: {type_of(given.schema)}" for given in places]
    if one.body is not None:
        signature.append(f"body: {type_of(one.body)}" + ("" if one.body_required else " = {}"))
    needed = any(given.required for given in queries)
    members = "; ".join(
        f"{_member(given.name)}{'' if given.required else '?'}: {type_of(given.schema)}" for given in queries
    )
    signature.append(f"query: {{{members}}}" + ("" if needed else " = {}"))
    signature.append("options: Options = {}")
    path = re.sub(r"\{(\w+)\}", r"${encodeURIComponent(\1)}", one.path)
    answer = "string" if one.text else "void" if one.answer is None else type_of(one.answer)
    body = "undefined" if one.body is None else "body"
    options = "{key: crypto.randomUUID(), ...options}" if one.once else "options"
    text = ", true" if one.text else ""
    return (
        f"  /** {one.summary} */\n  {one.name}({', '.join(signature)}): Promise<{answer}> {{\n"
        f"    return this.call('{one.method}', `{path}`, query, {body}, {options}{text});\n  }}\n"
    )
