"""Writes types/api.d.ts: the shapes of the API and of live events as TypeScript has them.

    api_types.py [FILE]

They come from the route table, the widgets and the declarations of events: what the server declares is what the browser
side is checked against. The file is made before each check (`npm run check`) and is in no repository. It has

    Routes      by method and path: parameters of the path, query, body and answer of each route
    FirstPages  by widget: what /bootstrap answers
    Events      by type: the ``data`` of each durable event
    Slug        the last part of the ``type`` of every problem
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from cackled.api import core
from cackled.api.openapi import ProblemAnswer
from cackled.domain.errors import PROBLEMS
from cackled.domain.settings import ProductSettings, SiteSettings
from cackled.events import CORE_EVENTS
from cackled.features import registry as features
from cackled.products.registry import Registry

TARGET = Path(__file__).resolve().parents[2] / "types" / "api.d.ts"
_JSON = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}
_IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)
_HEAD = "// Made by scripts/packaging/api_types.py from the route table and the declarations of events.\n"


def _name(text: str) -> str:
    return text if _IDENTIFIER.fullmatch(text) else json.dumps(text)


def _type_name(name: str) -> str:
    """Of a Struct; where two have one name, it has its module before it."""
    return re.sub(r"\W+", "_", name)


def _comment(text: str, indent: str) -> str:
    return f"{indent}/** {' '.join(text.split()).replace('*/', '* /')} */\n" if text else ""


def typescript(schema: Mapping[str, Any], indent: str = "") -> str:
    """The type that a JSON Schema describes, as far as msgspec writes it.

    Raises:
        ValueError: the schema says something that is not known here.
    """
    if "$ref" in schema:
        return _type_name(str(schema["$ref"]).rpartition("/")[2])
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(json.dumps(one) for one in schema["enum"])
    for word, sign in (("anyOf", " | "), ("oneOf", " | "), ("allOf", " & ")):
        if word in schema:
            return sign.join(dict.fromkeys(typescript(one, indent) for one in schema[word]))
    kind = schema.get("type")
    if kind in ("string", "boolean", "null"):
        return str(kind)
    if kind in ("integer", "number"):
        return "number"
    if kind == "array":
        if "prefixItems" in schema:
            return "[" + ", ".join(typescript(one, indent) for one in schema["prefixItems"]) + "]"
        return f"Array<{typescript(schema.get('items', {}), indent)}>"
    if kind == "object" and "properties" in schema:
        return _object(schema, indent)
    if kind == "object":
        more = schema.get("additionalProperties")
        return f"Record<string, {typescript(more, indent) if isinstance(more, dict) else 'unknown'}>"
    if not kind:
        return "unknown"
    raise ValueError(f"a schema of type {kind!r}")


def _object(schema: Mapping[str, Any], indent: str) -> str:
    required, inner = set(schema.get("required", ())), indent + "  "
    text = "{\n"
    for name, member in schema["properties"].items():
        text += _comment(str(member.get("description", "")), inner)
        text += f"{inner}{_name(name)}{'' if name in required else '?'}: {typescript(member, inner)};\n"
    return text + indent + "}"


class Shapes:
    """The schemas of Structs, with the names of those that have one."""

    def __init__(self, shapes: Iterable[Any]) -> None:
        found = list(dict.fromkeys(shapes))
        made, components = msgspec.json.schema_components(found, ref_template="#/{name}")
        self._by_shape = dict(zip(found, made, strict=True))
        self.components: dict[str, Any] = {_type_name(name): one for name, one in components.items()}

    def type(self, shape: Any, indent: str = "  ") -> str:
        """The type of a shape; none is ``undefined``."""
        return "undefined" if shape is None else typescript(self._by_shape[shape], indent)


def _settings(registry: Registry) -> str:
    """The type of what a browser is told of a site's settings."""
    parts: list[SiteSettings | ProductSettings] = [SiteSettings()]
    parts += [kind() for kind in registry.setting_kinds.values()]
    text = "{\n"
    for one in parts:
        properties = msgspec.json.schema(type(one))["$defs"][type(one).__name__]["properties"]
        for name, value in one.public().items():
            schema = properties.get(name) or {"type": _JSON[type(value)]}
            text += _comment(str(schema.get("description", "")), "  ") + f"  {_name(name)}: {typescript(schema)};\n"
    return text + "}"


def declarations(registry: Registry) -> str:
    """The whole file."""
    routes = sorted((*core.ROUTES, *registry.routes), key=lambda one: (one.path, one.method))
    events = sorted((*CORE_EVENTS, *registry.events), key=lambda one: one.type)
    widgets = sorted(registry.widgets, key=lambda one: one.name)
    shapes = Shapes([
        ProblemAnswer,
        *(shape for one in routes for shape in (one.query, one.body, one.answer) if shape is not None),
        *(one.data for one in events if one.data is not None),
        *(shape for one in widgets for shape in (one.query, one.answer, one.me) if shape is not None),
    ])  # fmt: skip
    text = _HEAD
    for name, schema in sorted(shapes.components.items()):
        text += "\n" + _comment(str(schema.get("description", "")), "")
        text += f"export type {name} = {typescript(schema)};\n"
    text += f"\n/** What a browser is told of a site's settings. */\nexport type Settings = {_settings(registry)};\n"
    text += "\nexport interface Routes {\n"
    for one in routes:
        path = "/".join(part.replace(":text}", "}") for part in one.path.split("/"))
        text += _comment(one.summary, "  ") + f"  {json.dumps(f'{one.method} {path}')}: {{\n"
        text += f"    query: {shapes.type(one.query, '    ')};\n    body: {shapes.type(one.body, '    ')};\n"
        text += f"    answer: {shapes.type(one.answer, '    ')};\n    status: {one.status};\n  }};\n"
    text += "}\n\nexport interface FirstPages {\n"
    for widget in widgets:
        me = "null" if widget.me is None else f"{shapes.type(widget.me)} | null"
        site = "{id: string; name: string; settings: Settings}"
        text += f"  {_name(widget.name)}: {{site: {site}; me: {me}}} & {shapes.type(widget.answer)};\n"
    text += "}\n\nexport interface Events {\n"
    for event in events:
        text += f"  {json.dumps(event.type)}: {'unknown' if event.data is None else shapes.type(event.data)};\n"
    slugs = sorted({*PROBLEMS, *registry.problems})
    text += "}\n\n/** The last part of the `type` of a problem. */\nexport type Slug =\n"
    return text + "".join(f"  | {json.dumps(slug)}\n" for slug in slugs).rstrip("\n") + ";\n"


def main(arguments: list[str]) -> int:
    """Write the file where it is another than it was, so that nothing is made anew in vain. Returns the exit code."""
    target = Path(arguments[0]) if arguments else TARGET
    text = declarations(features())
    if not target.is_file() or target.read_text() != text:
        target.parent.mkdir(exist_ok=True)
        target.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
