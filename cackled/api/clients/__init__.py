"""Clients of the API, made from its description: one module each for Python and TypeScript, without dependencies.

They have a method for each call that a program can make, named as the call is; types of all that is sent and answered;
and they do what every caller has to: keys that make a call done once, waiting where the server asks for it, pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

METHODS = ("get", "post", "put", "patch", "delete")


class Argument(Struct, frozen=True):
    """A parameter of a call: its name in the address, where it stands, and its JSON Schema."""

    name: str
    where: str
    required: bool
    schema: Mapping[str, Any]


class Operation(Struct, frozen=True):
    """A call: ``body`` and ``answer`` are JSON Schemas (None: there is none; ``text``: the answer is no JSON)."""

    name: str
    summary: str
    method: str
    path: str
    arguments: list[Argument]
    body: Mapping[str, Any] | None
    body_required: bool
    answer: Mapping[str, Any] | None
    text: bool
    once: bool
    conditional: bool


def operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    """The calls of *document* that a program can make: those that need neither a browser nor a session of staff."""
    for path, item in document["paths"].items():
        for method in METHODS:
            one = item.get(method)
            if one is None or "servers" in item or "servers" in one or not _open(one):
                continue
            arguments = [
                Argument(given["name"], given["in"], given.get("required", False), given["schema"])
                for given in one.get("parameters", ()) if given["in"] in ("path", "query")
            ]  # fmt: skip
            headers = {given["name"] for given in one.get("parameters", ()) if given["in"] == "header"}
            body = one.get("requestBody")
            if body is not None and "application/json" not in body["content"]:
                # Files are sent by what every language has for that.
                continue
            done = next(value for status, value in one["responses"].items() if status.startswith("2"))
            media, content = next(iter(done.get("content", {"": {}}).items()))
            yield Operation(
                one["operationId"], one.get("summary", ""), method.upper(), path, arguments,
                None if body is None else body["content"]["application/json"]["schema"],
                bool(body and body["required"]), content.get("schema"), media not in ("", "application/json"),
                "Idempotency-Key" in headers, "If-Match" in headers,
            )  # fmt: skip


def _open(operation: Mapping[str, Any]) -> bool:
    ways = operation.get("security", [{}])
    return any(set(way) <= {"session", "siteKey"} for way in ways) and (
        not operation.get("x-own-pages") or any("siteKey" in way for way in ways)
    )


def reference(schema: Mapping[str, Any]) -> str | None:
    """The name of the component that *schema* refers to, or None."""
    return str(schema["$ref"]).rpartition("/")[2] if "$ref" in schema else None
