"""The API's description: it is what is routed, it is well-formed, and the answers are as it says."""

from __future__ import annotations

import re
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from cackled.api import openapi
from cackled.api.routes import Api
from tests.api.common import ApiCase

METHODS = {"get", "put", "post", "delete", "patch"}


def resolve(document: dict[str, Any], ref: str) -> Any:
    """What a reference points at."""
    assert ref.startswith("#/"), ref
    found: Any = document
    for part in ref[2:].split("/"):
        found = found[part]
    return found


def references(tree: Any) -> list[str]:
    """Every reference in *tree*."""
    if isinstance(tree, dict):
        own = [tree["$ref"]] if isinstance(tree.get("$ref"), str) else []
        return own + [one for value in tree.values() for one in references(value)]
    return [one for value in tree for one in references(value)] if isinstance(tree, list) else []


def check(document: dict[str, Any], schema: dict[str, Any], value: Any, where: str = "$") -> list[str]:
    """What is wrong with *value* by the part of JSON Schema that the document uses; members not described are wrong."""
    if "$ref" in schema:
        return check(document, resolve(document, schema["$ref"]), value, where)
    if "anyOf" in schema:
        found = [check(document, one, value, where) for one in schema["anyOf"]]
        return [] if any(not one for one in found) else found[0]
    if "enum" in schema:
        return [] if value in schema["enum"] else [f"{where}: {value!r} is none of {schema['enum']}"]
    kinds = {"string": str, "integer": int, "boolean": bool, "object": dict, "array": list, "null": type(None)}
    kind = kinds[schema["type"]]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        return [f"{where}: {value!r} is no {schema['type']}"]
    wrong = []
    if kind is str and "pattern" in schema and not re.search(schema["pattern"], value):
        wrong.append(f"{where}: {value!r} does not match {schema['pattern']}")
    if kind is dict and "properties" in schema:
        for name in schema.get("required", ()):
            if name not in value:
                wrong.append(f"{where}.{name} is missing")
        for name, one in value.items():
            known = schema["properties"].get(name)
            wrong += (
                [f"{where}.{name} is not described"]
                if known is None
                else check(document, known, one, f"{where}.{name}")
            )
    if kind is dict and "additionalProperties" in schema:
        for name, one in value.items():
            wrong += check(document, schema["additionalProperties"], one, f"{where}.{name}")
    if kind is list:
        for n, one in enumerate(value):
            wrong += check(document, schema["items"], one, f"{where}[{n}]")
    return wrong


class DocumentTests(SynchronousTestCase):
    """The document against the routes and against itself."""

    def test_routes(self) -> None:
        """Every route is described and every description is routed, by path and method."""
        routed = set()
        for rule in Api.app.url_map.iter_rules():
            path = re.sub(r"<(?:\w+:)?(\w+)>", lambda m: "{site}" if m[1] == "site_id" else "{" + m[1] + "}", rule.rule)
            routed |= {(path, method.lower()) for method in rule.methods or () if method.lower() in METHODS}
        routed.discard(("/openapi.json", "get"))
        described = {(path, method) for path, item in openapi.document()["paths"].items() for method in item}
        self.assertEqual(described, routed)

    def test_well_formed(self) -> None:
        """OpenAPI 3.1's own rules: unique operation ids, parameters in the path, references that lead somewhere."""
        document = openapi.document()
        self.assertTrue(document["openapi"].startswith("3.1."))
        self.assertTrue(document["info"]["title"] and document["info"]["version"])
        names = []
        for path, item in document["paths"].items():
            self.assertTrue(path.startswith("/"))
            for method, operation in item.items():
                self.assertIn(method, METHODS)
                names.append(operation["operationId"])
                self.assertTrue(operation["summary"])
                in_path = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
                self.assertEqual(in_path, set(re.findall(r"{(\w+)}", path)), path)
                for one in operation["parameters"]:
                    self.assertIn(one["in"], ("path", "query", "header"))
                    self.assertIn("schema", one)
                    self.assertTrue(one["in"] != "path" or one["required"] is True)
                self.assertTrue(any(code.startswith("2") for code in operation["responses"]))
                # Any call may be one of a private site, and any address too long.
                self.assertLessEqual({"401", "414"}, operation["responses"].keys())
                for code, answer in operation["responses"].items():
                    self.assertRegex(code, r"\A[2345]\d\d\Z")
                    self.assertTrue("$ref" in answer or answer["description"])
                for need in operation.get("security", ()):
                    self.assertLessEqual(set(need), set(document["components"]["securitySchemes"]))
                    self.assertIn("401", operation["responses"])
        self.assertEqual(len(set(names)), len(names))
        for ref in references(document):
            resolve(document, ref)


class AnswerTests(ApiCase):
    """What is answered against what is described."""

    async def test_answers(self) -> None:
        """Each call's answer fits its description, member by member."""
        document = (await self.ask("GET", "/api/v1/openapi.json")).json()
        self.assertEqual(document, openapi.document())
        auth = await self.visitor()
        bob = await self.visitor()
        one = (await self.post(auth, "a"))["comment"]["id"]
        await self.post(bob, "b", parent=one)
        item = "/sites/{site}/comments/{comment_id}"
        calls: list[tuple[str, str, str, Any, str | None]] = [
            ("/sites/{site}/sessions", "post", "/sites/1/sessions", None, None),
            ("/sites/{site}/comments", "get", "/sites/1/comments?channel=page", None, None),
            ("/sites/{site}/comments", "post", "/sites/1/comments", self.comment(), auth),
            (item, "get", f"/sites/1/comments/{one}", None, None),
            (item, "get", f"/sites/1/comments/{one}", None, auth),
            (item, "patch", f"/sites/1/comments/{one}", {"text": "c"}, auth),
            (f"{item}/vote", "put", f"/sites/1/comments/{one}/vote", {"value": -1}, bob),
            (f"{item}/flags", "post", f"/sites/1/comments/{one}/flags", {}, bob),
            ("/sites/{site}/blocks/{author_id}", "put", "/sites/1/blocks/5", None, bob),
            ("/sites/{site}/blocks", "get", "/sites/1/blocks", None, bob),
            ("/sites/{site}/blocks/{author_id}", "delete", "/sites/1/blocks/5", None, bob),
            ("/sites/{site}/counts", "get", "/sites/1/counts?channel=page&channel=b", None, None),
            (item, "delete", f"/sites/1/comments/{one}", None, auth),
            (item, "get", f"/sites/1/comments/{one}", None, None),
            (item, "get", "/sites/1/comments/5", None, None),
            (item, "patch", f"/sites/1/comments/{one}", {}, auth),
            (item, "delete", "/sites/1/comments/5", None, None),
            (item, "get", "/sites/9/comments/5", None, None),
        ]
        seen = set()
        for path, method, address, body, token in calls:
            answer = await self.ask(method.upper(), f"/api/v1{address}", body, authorization=token)
            described = document["paths"][path][method]["responses"]
            self.assertIn(str(answer.status), described, (path, method))
            told = described[str(answer.status)]
            told = resolve(document, told["$ref"]) if "$ref" in told else told
            if answer.status < 300:
                seen.add((path, method))
            if "content" not in told:
                self.assertEqual(answer.body, b"")
                continue
            ((kind, content),) = told["content"].items()
            self.assertEqual(answer.headers["content-type"], kind)
            self.assertEqual(check(document, content["schema"], answer.json()), [], (path, method))
        self.assertEqual(seen, {(path, method) for path, one in document["paths"].items() for method in one})
