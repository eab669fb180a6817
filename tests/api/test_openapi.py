"""The API's description: it is a valid document, it says what is routed, and the answers are as it says."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from referencing import Registry as Schemas
from referencing import Resource
from twisted.trial.unittest import SynchronousTestCase

from cackled.api import core, openapi
from cackled.api.route import Caller
from cackled.features import registry
from cackled.products.comments import api as comments_api
from tests.api.common import STATUSES, ApiCase

ROUTES = (*core.ROUTES, *registry().routes)


def resolve(document: dict[str, Any], ref: str) -> Any:
    """What a reference points at."""
    assert ref.startswith("#/"), ref
    found: Any = document
    for part in ref[2:].split("/"):
        found = found[part]
    return found


def check(document: dict[str, Any], schema: dict[str, Any], value: Any) -> list[str]:
    """What is wrong with *value* by *schema*; members that are not described are wrong, too."""
    closed = json.loads(json.dumps(document["components"]["schemas"]))
    for one in closed.values():
        if "properties" in one:
            one["additionalProperties"] = False
    text = json.dumps(schema).replace('"#/', '"urn:api#/')
    for name in closed:
        inner = json.dumps(closed[name]).replace('"#/', '"urn:api#/')
        closed[name] = json.loads(inner)
    registry: Any = Schemas().with_resource("urn:api", Resource.opaque({"components": {"schemas": closed}}))
    validator = Draft202012Validator(json.loads(text), registry=registry)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]

# Those of the example in RFC 8291, section 5.
PUSH_KEYS = {
    "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    "auth": "BTBZMqHH6r4Tts7J_aSIgg",
}


class DocumentTests(SynchronousTestCase):
    """The document by itself."""

    def test_headers(self) -> None:
        """Headers that are part of a protocol are described, of requests and of answers."""
        made = json.loads(json.dumps(openapi.document(ROUTES, STATUSES)))
        validate(made)
        uploads = made["paths"]["/sites/{site}/uploads/{upload}"]
        sent = {one["name"]: one for one in uploads["patch"]["parameters"] if one["in"] == "header"}
        self.assertLessEqual({"Tus-Resumable", "Upload-Length", "Upload-Offset"}, set(sent))
        self.assertEqual((sent["Tus-Resumable"]["required"], sent["Upload-Length"]["required"]), (True, False))
        self.assertEqual(sent["Tus-Resumable"]["schema"], {"type": "string", "enum": ["1.0.0"]})
        got = uploads["patch"]["responses"]["204"]["headers"]
        self.assertEqual(sorted(got), ["Tus-Resumable", "Upload-Expires", "Upload-Offset"])
        begun = made["paths"]["/sites/{site}/uploads"]["post"]["responses"]["201"]["headers"]
        self.assertIn("Location", begun)

    def test_routes(self) -> None:
        """Every route is described, by path and method."""
        described = openapi.document(ROUTES, STATUSES)["paths"]
        self.assertEqual(
            {(path, method) for path, item in described.items() for method in item},
            {(route.path.replace(":text", ""), route.method.lower()) for route in ROUTES},
        )

    def test_problems(self) -> None:
        """Each problem that a route names is a known one."""
        for route in ROUTES:
            for slug in openapi.refusals(route):
                self.assertIn(slug, STATUSES, route.name)

    @given(st.sampled_from(ROUTES))
    def test_parameters(self, route: Any) -> None:
        """Each parameter of a path is there and required."""
        made = openapi.document([route], STATUSES)["paths"][route.path.replace(":text", "")][route.method.lower()]
        in_path = {one["name"] for one in made["parameters"] if one["in"] == "path" and one["required"]}
        self.assertEqual(in_path, set(route.parameters))


class AnswerTests(ApiCase):
    """What is answered against what is described."""

    async def test_answers(self) -> None:
        """Each call's answer fits its description, member by member."""
        document = (await self.ask("GET", "/api/v1/openapi.json")).json()
        validate(document)
        auth = await self.visitor()
        bob = await self.visitor()
        one = (await self.post(auth, "a"))["comment"]["id"]
        await self.post(bob, "b", parent=one)
        item = "/sites/{site}/comments/{comment}"
        calls: list[tuple[str, str, str, Any, str | None]] = [
            ("/sites/{site}/sessions", "post", "/sites/1/sessions", None, None),
            ("/sites/{site}/comments", "get", "/sites/1/comments?channel=page", None, None),
            ("/sites/{site}/comments", "post", "/sites/1/comments", self.comment(), auth),
            ("/sites/{site}/comments/preview", "post", "/sites/1/comments/preview", {"text": "*a*"}, auth),
            (item, "get", f"/sites/1/comments/{one}", None, None),
            (item, "get", f"/sites/1/comments/{one}", None, auth),
            (item, "patch", f"/sites/1/comments/{one}", {"text": "c"}, auth),
            (f"{item}/vote", "put", f"/sites/1/comments/{one}/vote", {"value": -1}, bob),
            (f"{item}/reactions/{{name}}", "put", f"/sites/1/comments/{one}/reactions/like", None, bob),
            (f"{item}/reactions/{{name}}", "put", f"/sites/1/comments/{one}/reactions/other", None, bob),
            (f"{item}/reactions/{{name}}", "delete", f"/sites/1/comments/{one}/reactions/like", None, bob),
            (f"{item}/flags", "post", f"/sites/1/comments/{one}/flags", {}, bob),
            ("/sites/{site}/blocks/{author}", "put", "/sites/1/blocks/5", None, bob),
            ("/sites/{site}/blocks", "get", "/sites/1/blocks", None, bob),
            ("/sites/{site}/blocks/{author}", "delete", "/sites/1/blocks/5", None, bob),
            ("/sites/{site}/visitors/{visitor}/comments", "get",
             f"/sites/1/visitors/{self.visitor_of(auth)}/comments", None, None),
            ("/sites/{site}/comments/filtered", "get", "/sites/1/comments/filtered?channel=page&by=me", None, auth),
            ("/sites/{site}/comments/filtered", "get", "/sites/1/comments/filtered?channel=page&by=staff", None, None),
            ("/sites/{site}/comments/filtered", "get", "/sites/1/comments/filtered?channel=page&by=me", None, None),
            ("/sites/{site}/comments/lately", "get", "/sites/1/comments/lately?size=3", None, None),
            ("/sites/{site}/comments/lately", "get", "/sites/1/comments/lately?days=7", None, bob),
            ("/sites/{site}/mentions", "get", "/sites/1/mentions?channel=page&q=a", None, bob),
            ("/sites/{site}/counts", "get", "/sites/1/counts?channel=page&channel=b", None, None),
            ("/sites/{site}/follows/{kind}/{target}", "put", "/sites/1/follows/person/5", None, bob),
            ("/sites/{site}/follows/{kind}/{target}", "put", "/sites/1/follows/other/5", None, bob),
            ("/sites/{site}/follows", "get", "/sites/1/follows", None, bob),
            ("/sites/{site}/notices", "get", "/sites/1/notices?size=3", None, bob),
            ("/sites/{site}/notices/read", "put", "/sites/1/notices/read", {"upto": "5"}, bob),
            ("/sites/{site}/notices/settings", "get", "/sites/1/notices/settings", None, bob),
            ("/sites/{site}/notices/settings", "patch", "/sites/1/notices/settings", {"digest": "daily"}, bob),
            ("/sites/{site}/notices/push", "put", "/sites/1/notices/push",
             {"endpoint": "https://push.example/x", "keys": PUSH_KEYS}, bob),
            ("/sites/{site}/notices/push/gone", "post", "/sites/1/notices/push/gone",
             {"endpoint": "https://push.example/x"}, bob),
            ("/sites/{site}/follows/{kind}/{target}", "delete", "/sites/1/follows/person/5", None, bob),
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
        first = (await self.bootstrap()).json()
        schema = document["paths"]["/bootstrap"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        page = schema["anyOf"][0]["allOf"][0]
        self.assertEqual(check(document, page, {k: v for k, v in first.items() if k not in ("site", "me")}), [])
        # All others are held against the document where they are tested (`tests.api.common`).
        own = [one for one in (*core.ROUTES, *comments_api.ROUTES) if one.caller not in (Caller.STAFF, Caller.OWN_PAGE)]
        told = {(route.path.replace(":text}", "}"), route.method.lower()) for route in own}
        self.assertEqual(told - seen, set())
