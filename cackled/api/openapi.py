"""The API's description, OpenAPI 3.1, derived from the routes and served at ``/api/v1/openapi.json``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from cackled import __version__
from cackled.api.route import Caller, HeaderField, Reach, Route
from cackled.api.staff import SECURE_PREFIX

TEMPLATE = "#/components/schemas/{name}"
_ID = {"type": "string", "pattern": "^[0-9]{1,19}$", "description": "A 64-bit number, as a string."}
# What any call may be refused with, whoever makes it.
EVERY = ("origin", "unknown-site", "other-deployment", "too-fast", "unavailable", "internal", "uri-too-long")
_PREFERENCES = ("primary", "primaryPreferred", "secondary", "secondaryPreferred", "nearest")
_GRANT = {
    "name": "token", "in": "query", "required": False, "schema": {"type": "string"},
    "description": "A grant of the site: a private one asks for it.",
}  # fmt: skip
_KEY = {
    "name": "Idempotency-Key", "in": "header", "required": False,
    "schema": {"type": "string", "pattern": "^[!-~]{1,64}$"},
    "description": "The same key again answers with the first answer.",
}  # fmt: skip


_MATCH = {
    "name": "If-Match", "in": "header", "required": True, "schema": {"type": "string"},
    "description": "The ETag of what is changed, as it was seen.",
}  # fmt: skip


class ProblemAnswer(Struct, frozen=True, rename={"kind": "type"}):
    """What went wrong (RFC 9457). ``deployment`` and ``url`` come with 421: where the site lives."""

    kind: str
    title: str
    status: int
    detail: str = ""
    field: str = ""
    deployment: str = ""
    url: str = ""


def refusals(route: Route) -> list[str]:
    """The slugs of every problem that a call of *route* may be answered with."""
    found = {*EVERY, *route.refusals, "bad-token"}
    if route.caller in (Caller.STAFF, Caller.OWN_PAGE):
        found |= {"own-origin", "insecure", "bad-key"}
        if route.caller is Caller.STAFF:
            found |= {"signed-out", "role"}
        if route.whole:
            found |= {"section"}
        if route.fresh:
            found |= {"not-fresh"}
        if not route.about_site:
            found -= {"origin", "unknown-site", "other-deployment"}
    elif route.caller is Caller.PARTY:
        found |= {"own-origin", "insecure", "bad-key", "signed-out", "role", "no-token", "not-granted"}
    else:
        # Locks ask who calls, whoever may.
        found |= {"no-token", "not-granted", "sign-in-first", "not-in-group", "token-expired"}
    if route.caller in (Caller.VISITOR, Caller.SESSION):
        found |= {"bad-token", "token-expired"}
    if route.ids:
        found |= {"not-found"}
    if route.texts:
        found |= {"not-found", "bad-field"}
    if route.query is not None or route.preference is not None or route.idempotent or route.body is not None:
        found |= {"bad-field", "not-found"}
    if route.body is not None:
        found |= {"bad-json", "content-too-large"}
    if route.idempotent:
        found |= {"key-reused"}
    if route.replayed:
        found |= {"under-way", "key-reused", "bad-field"}
    if route.takes:
        found |= {"content-too-large"}
    if route.reach is Reach.CHANNEL:
        found |= {"bad-field"}
    return sorted(found)


class ExtraPaths(Protocol):
    """Paths that no route describes."""

    @property
    def answers(self) -> Sequence[type[Struct]]:
        """The shapes that `description` needs schemas of."""

    def description(self, schemas: Mapping[Any, Any]) -> dict[str, Any]:
        """The paths, by address; *schemas* are those of all shapes."""


def document(
    routes: Sequence[Route], problems: Mapping[str, int], extra: ExtraPaths | None = None,
) -> dict[str, Any]:
    """The whole document.

    *problems* are the statuses of all slugs; *extra* describes paths that are not below ``/api/v1``.
    """
    shapes = [one for route in routes for one in (route.body, route.answer) if one is not None]
    shapes += () if extra is None else extra.answers
    schemas, components = _schemas(dict.fromkeys([*shapes, ProblemAnswer]))
    paths: dict[str, Any] = {}
    for route in routes:
        path = "/".join(one.replace(":text}", "}") for one in route.path.split("/"))
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, schemas, problems)
    if extra is not None:
        paths.update(extra.description(schemas))
    return {
        "openapi": "3.1.0",
        "info": {"title": "cackled", "version": __version__, "description": "Comments, live."},
        "servers": [{"url": "/api/v1"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "session": {"type": "http", "scheme": "bearer"},
                "conversation": {"type": "http", "scheme": "bearer", "description": "The token of a conversation."},
                "siteKey": {"type": "http", "scheme": "bearer", "description": "A key of the site, for its servers."},
                "staff": {
                    "type": "apiKey", "in": "cookie", "name": f"{SECURE_PREFIX}session",
                    "description": "Whoever is signed in; what changes something needs the header X-Cackled-Panel.",
                },
            },
        },
    }


def _schemas(shapes: Iterable[Any]) -> tuple[dict[Any, Any], dict[str, Any]]:
    shapes = list(shapes)
    made, components = msgspec.json.schema_components(shapes, ref_template=TEMPLATE)
    return dict(zip(shapes, made, strict=True)), {name: _plain(schema) for name, schema in components.items()}


def _plain(schema: Any) -> Any:
    """*schema* without what generators of clients don't know: that a pair has no third member, its length says too."""
    if isinstance(schema, dict):
        pair = "prefixItems" in schema and schema.get("items") is False
        return {key: _plain(value) for key, value in schema.items() if not (pair and key == "items")}
    return [_plain(one) for one in schema] if isinstance(schema, list) else schema


def _operation(route: Route, schemas: dict[Any, Any], problems: Mapping[str, int]) -> dict[str, Any]:
    parameters = [_path(name, route) for name in route.parameters]
    if route.query is not None:
        parameters += query_parameters(route.query)
    if route.preference is not None:
        parameters += read_parameters(route.preference.value, own_after=route.own_after)
    if route.idempotent or route.replayed:
        parameters.append(_KEY)
    if "if-match" in route.refusals:
        parameters.append(_MATCH)
    parameters += [
        {"name": one.name, "in": "header", "required": one.required, "schema": _header_schema(one),
         "description": one.description}
        for one in route.sends
    ]  # fmt: skip
    made: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": parameters if route.for_own_pages else [*parameters, _GRANT],
        "responses": {str(route.status): _done(route, schemas), **problem_responses(refusals(route), problems)},
    }
    if route.body is not None:
        content = {"application/json": {"schema": schemas[route.body]}}
        made["requestBody"] = {"required": not route.bodiless, "content": content}
    if route.takes:
        binary = {"type": "string", "format": "binary"}
        made["requestBody"] = {"required": True, "content": {route.takes: {"schema": binary}}}
    if route.for_own_pages:
        # Not for programs that have no key: what is here needs our own page around it.
        made["x-own-pages"] = True
    if route.caller is Caller.SESSION:
        made["security"] = [{"session": []}]
    elif route.caller is Caller.STAFF:
        made["security"] = [{"staff": []}, *([{"siteKey": []}] if route.scope else [])]
        made["x-role"] = route.role
        made["x-scope"] = route.scope
    elif route.caller is Caller.PARTY:
        made["security"] = [{"conversation": []}, {"staff": []}, *([{"siteKey": []}] if route.scope else [])]
        made["x-role"] = route.role
        made["x-scope"] = route.scope
    elif route.caller is Caller.VISITOR:
        made["security"] = [{}, {"session": []}]
    return made


def _path(name: str, route: Route) -> dict[str, Any]:
    schema: dict[str, Any] = _ID
    if name == "site":
        schema = {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}
    elif name in route.texts:
        schema = {"type": "string"}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def query_parameters(shape: type[Struct]) -> list[dict[str, Any]]:
    """The parameters that a query's Struct stands for."""
    whole = msgspec.json.schema(shape)
    tree = whole["$defs"][shape.__name__] if "$defs" in whole else whole
    required = set(tree.get("required", ()))
    found = []
    for name, schema in tree["properties"].items():
        schema = dict(schema)
        text = schema.pop("description", "")
        if schema.get("type") == "array":
            schema.pop("default", None)
        if "anyOf" in schema:  # an argument is there or not, never null
            schema = next(one for one in schema["anyOf"] if one.get("type") != "null")
        one: dict[str, Any] = {"name": name, "in": "query", "required": name in required, "schema": schema}
        if text:
            one["description"] = text
        if schema.get("type") == "array":
            one["explode"] = True
        found.append(one)
    return found


def read_parameters(preference: str, *, own_after: bool = False) -> list[dict[str, Any]]:
    """The parameters of every read."""
    found: list[dict[str, Any]] = [
        {
            "name": "readPreference", "in": "query", "required": False,
            "schema": {"type": "string", "enum": list(_PREFERENCES), "default": preference},
            "description": "Which copy of the database may answer.",
        },
        {
            "name": "maxStaleness", "in": "query", "required": False,
            "schema": {"type": "integer", "minimum": 0, "maximum": 604_800},
            "description": "Seconds that a copy may be behind.",
        },
    ]  # fmt: skip
    if not own_after:
        found.append({
            "name": "after", "in": "query", "required": False,
            "schema": {"type": "integer", "minimum": 0, "maximum": 2**62},
            "description": "Never answer from anything older than this seq.",
        })  # fmt: skip
    return found


def _header_schema(field: HeaderField) -> dict[str, Any]:
    if field.value:
        return {"type": "string", "enum": [field.value]}
    return {"type": "integer", "minimum": 0, "maximum": 10**15 - 1} if field.number else {"type": "string"}


def _done(route: Route, schemas: dict[Any, Any]) -> dict[str, Any]:
    done: dict[str, Any] = {"description": "Done."}
    if route.answer is not None:
        done["content"] = {route.media: {"schema": schemas[route.answer]}}
    if route.gets:
        done["headers"] = {
            one.name: {"description": one.description, "required": one.required, "schema": _header_schema(one)}
            for one in route.gets
        }
    return done


def problem_responses(slugs: Iterable[str], statuses: Mapping[str, int]) -> dict[str, Any]:
    """The responses of problems, by status; the description names each ``type`` that there may be."""
    by_status: dict[int, list[str]] = {}
    for slug in slugs:
        by_status.setdefault(statuses[slug], []).append(slug)
    schema = {"$ref": TEMPLATE.format(name=ProblemAnswer.__name__)}
    return {
        str(status): {
            "description": "The last part of `type` is one of: " + ", ".join(names) + ".",
            "content": {"application/problem+json": {"schema": schema}},
            "x-problems": names,
        }
        for status, names in sorted(by_status.items())
    }
