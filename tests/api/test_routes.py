"""The API over sockets: every call as a widget makes it, and every way to get it wrong."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from tests.api.common import ORIGIN, ApiCase

COMMENTS = "/api/v1/sites/1/comments"
# Every call, with a body that is well-formed: method, path, body, whether it needs a session.
CALLS: list[tuple[str, str, Any, bool]] = [
    ("POST", "/api/v1/sites/{site}/sessions", None, False),
    ("GET", "/api/v1/sites/{site}/comments?channel=k", None, False),
    ("POST", "/api/v1/sites/{site}/comments", {"channel": {"key": "k"}, "text": "x", "name": "y"}, True),
    ("POST", "/api/v1/sites/{site}/comments/preview", {"text": "x"}, True),
    ("GET", "/api/v1/sites/{site}/comments/5", None, False),
    ("PATCH", "/api/v1/sites/{site}/comments/5", {"text": "x"}, True),
    ("DELETE", "/api/v1/sites/{site}/comments/5", None, True),
    ("PUT", "/api/v1/sites/{site}/comments/5/vote", {"value": 1}, True),
    ("PUT", "/api/v1/sites/{site}/comments/5/reactions/like", None, True),
    ("DELETE", "/api/v1/sites/{site}/comments/5/reactions/like", None, True),
    ("POST", "/api/v1/sites/{site}/comments/5/flags", {"reason": "x"}, True),
    ("GET", "/api/v1/sites/{site}/blocks", None, True),
    ("PUT", "/api/v1/sites/{site}/blocks/5", None, True),
    ("DELETE", "/api/v1/sites/{site}/blocks/5", None, True),
    ("GET", "/api/v1/sites/{site}/counts?channel=k", None, False),
]


class EveryCallTests(ApiCase):
    """What holds for each call."""

    async def test_unknown_site(self) -> None:
        """A site that is not there is 404, with and without a good token of another."""
        auth = await self.visitor()
        for site in ("9", "0", "2147483648", "99999999999999999999"):
            for method, path, body, _ in CALLS:
                for token in (None, auth):
                    answer = await self.ask(method, path.format(site=site), body, authorization=token, origin=ORIGIN)
                    self.assertEqual((answer.status, answer.slug), (404, "unknown-site"), (method, path))
                    self.assertNotIn("access-control-allow-origin", answer.headers)

    async def test_origin(self) -> None:
        """A page of another site's origin, of none, or of a file is 403, and no CORS header lets it read."""
        auth = await self.visitor()
        for origin in ("https://two.example", "null", "https://one.example.evil.org", "https://sub.one.example",
                       "https://one.example:8443", "garbage"):  # fmt: skip
            for method, path, body, _ in CALLS:
                answer = await self.ask(method, path.format(site=1), body, authorization=auth, origin=origin)
                self.assertEqual((answer.status, answer.slug), (403, "origin"), (method, path, origin))
                self.assertNotIn("access-control-allow-origin", answer.headers)
                self.assertEqual(answer.headers["vary"], "Origin")
        self.assertEqual(self.sql("select count(*) from comment"), [(0,)])

    async def test_cors(self) -> None:
        """The site's own origin is let in by name, for problems too, no credentials; the preflight says what may be."""
        auth = await self.visitor()
        for method, path, body, needs in CALLS:
            for token in (auth, None):
                answer = await self.ask(method, path.format(site=1), body, authorization=token, origin=ORIGIN)
                self.assertEqual(answer.headers["access-control-allow-origin"], ORIGIN, (method, path))
                self.assertEqual(answer.headers["vary"], "Origin")
                self.assertNotIn("access-control-allow-credentials", answer.headers)
                self.assertIn("retry-after", answer.headers["access-control-expose-headers"])
                self.assertIn("idempotent-replayed", answer.headers["access-control-expose-headers"])
                if needs and token is None:
                    self.assertEqual((answer.status, answer.slug), (401, "no-token"), (method, path))
                    self.assertIn("Bearer", answer.headers["www-authenticate"])
            path = path.partition("?")[0].format(site=1)
            answer = await self.ask("OPTIONS", path, origin=ORIGIN, access_control_request_method=method)
            self.assertEqual((answer.status, answer.body), (204, b""), path)
            self.assertIn(method, answer.headers["access-control-allow-methods"])
            self.assertEqual(
                answer.headers["access-control-allow-headers"], "authorization, content-type, idempotency-key, if-match"
            )
            self.assertEqual(answer.headers["access-control-max-age"], "7200")
            self.assertEqual(answer.headers["access-control-allow-origin"], ORIGIN)
            answer = await self.ask("OPTIONS", path, origin="https://evil.org", access_control_request_method=method)
            self.assertEqual(answer.status, 403)
            self.assertNotIn("access-control-allow-origin", answer.headers)

    async def test_tokens(self) -> None:
        """A bad token is 401 everywhere, also where none is needed; one of another site is bad here."""
        theirs = await self.visitor(2)
        for token in (theirs, "Bearer x", "Bearer", "Basic YTpi", "Bearer a b", "nonsense"):
            for method, path, body, _ in CALLS:
                if "sessions" in path or "counts" in path or path.endswith("channel=k"):
                    continue
                answer = await self.ask(method, path.format(site=1), body, authorization=token)
                self.assertEqual((answer.status, answer.slug), (401, "bad-token"), (method, path, token))

    async def test_bodies(self) -> None:
        """What is no JSON or too deep, and each member that is missing or of a wrong kind, is 400, and is named."""
        auth = await self.visitor()
        deep = b'{"x": ' + b"[" * 20_000
        for raw in (b"", b"{", b"nonsense", b"\xff\xfe", b'{"text": "\\ud800"}', b"'x'", deep):
            for method, path, body, _ in CALLS:
                if body is None:
                    continue
                answer = await self.ask(method, path.format(site=1), raw, authorization=auth)
                self.assertEqual((answer.status, answer.slug), (400, "bad-json"), (method, path, raw[:20]))
        good = self.comment()
        wrong: list[tuple[str, str, Any, str | None]] = [
            ("POST", COMMENTS, [], None),
            ("POST", COMMENTS, 5, None),
            ("POST", COMMENTS, b"[" * 60_000, None),
            ("POST", COMMENTS, {}, "channel"),
            ("POST", COMMENTS, {**good, "channel": None}, "channel"),
            ("POST", COMMENTS, {**good, "channel": "k"}, "channel"),
            ("POST", COMMENTS, {**good, "channel": {}}, "channel.key"),
            ("POST", COMMENTS, {**good, "channel": {"key": 5}}, "channel.key"),
            ("POST", COMMENTS, {**good, "channel": {"key": ""}}, "channel.key"),
            ("POST", COMMENTS, {**good, "channel": {"key": "x" * 501}}, "channel.key"),
            ("POST", COMMENTS, {**good, "channel": {"key": "a\x00b"}}, "channel.key"),
            ("POST", COMMENTS, {**good, "text": None}, "text"),
            ("POST", COMMENTS, {**good, "text": 5}, "text"),
            ("POST", COMMENTS, {**good, "name": ["Ann"]}, "name"),
            ("POST", COMMENTS, {**good, "name": " "}, "name"),
            ("POST", COMMENTS, {**good, "name": "x" * 61}, "name"),
            ("POST", COMMENTS, {**good, "parent": 5}, "parent"),
            ("PATCH", f"{COMMENTS}/5", {}, "text"),
            ("PATCH", f"{COMMENTS}/5", {"text": {}}, "text"),
            ("PUT", f"{COMMENTS}/5/vote", {}, "value"),
            ("PUT", f"{COMMENTS}/5/vote", {"value": 2}, "value"),
            ("PUT", f"{COMMENTS}/5/vote", {"value": "1"}, "value"),
            ("PUT", f"{COMMENTS}/5/vote", {"value": True}, "value"),
            ("PUT", f"{COMMENTS}/5/vote", {"value": 1.5}, "value"),
            ("POST", f"{COMMENTS}/5/flags", {"reason": 5}, "reason"),
            ("POST", f"{COMMENTS}/5/flags", {"reason": "x" * 2001}, "reason"),
        ]
        for method, path, body, field in wrong:
            answer = await self.ask(method, path, body, authorization=auth)
            self.assertEqual((answer.status, answer.slug), (400, "bad-field"), (body, answer))
            self.assertEqual(answer.json().get("field"), field, body)
        for text, slug in (("", "text-empty"), (" \u200b", "text-empty"), ("x" * 8001, "text-too-long")):
            answer = await self.ask("POST", COMMENTS, {**good, "text": text}, authorization=auth)
            self.assertEqual((answer.status, answer.slug, answer.json()["field"]), (422, slug, "text"))
            # Whether there is such a comment comes first.
            answer = await self.ask("PATCH", f"{COMMENTS}/5", {"text": text}, authorization=auth)
            self.assertEqual(answer.status, 404)
        answer = await self.ask("POST", COMMENTS, {**good, "parent": "x"}, authorization=auth)
        self.assertEqual((answer.status, answer.json()["field"]), (404, "parent"))
        for key in ("", " ", "x" * 65, "ключ".encode().decode("latin-1"), "a b"):
            answer = await self.ask("POST", COMMENTS, good, authorization=auth, idempotency_key=key)
            self.assertEqual((answer.status, answer.json().get("field")), (400, "Idempotency-Key"), key)
        self.assertEqual(self.sql("select count(*) from comment"), [(0,)])

    async def test_what_nobody_typed(self) -> None:
        """Address and title of the page never refuse a comment, of whatever kind they are."""
        auth = await self.visitor()
        good = {"text": "hello", "name": "Ann"}
        long = "https://one.example/x?utm_source=" + "a" * 2000
        cases: list[tuple[dict[str, Any], str, str]] = [
            ({"url": "/shop/5"}, "https://one.example/shop/5", ""),
            ({"url": "//one.example/p"}, "https://one.example/p", ""),
            ({"url": "?a=1"}, "https://one.example/?a=1", ""),
            ({"url": long}, "https://one.example/x", ""),
            ({"url": "about:srcdoc"}, "", ""),
            ({"url": "javascript:alert(1)"}, "", ""),
            ({"url": 42, "title": 42}, "", ""),
            ({"url": None, "title": None}, "", ""),
            ({"url": {}, "title": []}, "", ""),
            ({"url": "https://u:p@one.example/x", "title": "T"}, "https://one.example/x", "T"),
            ({"title": "x" * 299 + "\ud83d"}, "", "x" * 299),
            ({"title": "\ude00 a \ud83d\ude00"}, "", "a \U0001f600"),
            ({"title": "a\u0301" * 6200}, "", "á" * 300),
        ]
        for number, (page, url, title) in enumerate(cases):
            body = {**good, "channel": {"key": f"k{number}", **page}}
            raw = json.dumps(body).encode()
            answer = await self.ask("POST", COMMENTS, raw, authorization=auth, origin="https://one.example")
            self.assertEqual(answer.status, 201, (page, answer))
            stored = self.sql("select url, title from channel where key = %s", f"k{number}")
            self.assertEqual(stored, [(url, title)], page)

    async def test_half_an_emoji(self) -> None:
        """Half of a surrogate pair in what was typed is left out; whole ones and escaped backslashes stay."""
        auth = await self.visitor()
        for sent, html in (
            (b"a\\ud83d", "a"), (b"\\ude00a", "a"), (b"\\ud83d\\ude00", "\U0001f600"), (b"\\uD83Dx\\uDE00", "x"),
            (b"\\ud83d\\ud83d\\ude00", "\U0001f600"), (b"C:\\\\udata", "C:\\udata"), (b"C:\\\\ud83d", "C:\\ud83d"),
        ):  # fmt: skip
            raw = b'{"channel":{"key":"k"},"name":"Ann","text":"' + sent + b'"}'
            answer = await self.ask("POST", COMMENTS, raw, authorization=auth)
            self.assertEqual(answer.status, 201, (sent, answer))
            self.assertEqual(answer.json()["comment"]["html"], f"<p>{html}</p>")

    async def test_preview(self) -> None:
        """A preview is what posting gives, is refused as posting is, and leaves nothing behind."""
        auth = await self.visitor()
        text = "**a** <b>\n\n> quoted\nanswer `c` https://a.example/?x=1&y=2"
        shown = await self.ask("POST", f"{COMMENTS}/preview", {"text": text}, authorization=auth, origin=ORIGIN)
        self.assertEqual(shown.status, 200)
        self.assertEqual(self.sql("select count(*) from comment"), [(0,)])
        self.assertEqual(shown.json()["html"], (await self.post(auth, text))["comment"]["html"])
        refused = ((" \u200b", "text-empty"), ("x" * 8001, "text-too-long"), ("x" * 33_000, "text-too-long"))
        for sent, slug in refused:
            answer = await self.ask("POST", f"{COMMENTS}/preview", {"text": sent}, authorization=auth)
            self.assertEqual((answer.status, answer.slug), (422, slug))
        for method in ("GET", "PUT", "DELETE"):
            answer = await self.ask(method, f"{COMMENTS}/preview", authorization=auth)
            self.assertEqual(answer.status, 405, method)

    async def test_what_was_typed(self) -> None:
        """Names that can't be used say why, in words that programs can read."""
        auth = await self.visitor()
        for name, reason in (("", "empty"), ("\u200b", "empty"), ("x" * 61, "too-long"), ("\u0301" * 5000, "too-long")):
            answer = await self.ask("POST", COMMENTS, {**self.comment(), "name": name}, authorization=auth)
            said = answer.json()
            self.assertEqual((answer.status, said["field"], said["reason"]), (400, "name", reason), answer)

    async def test_queries(self) -> None:
        """Arguments of a wrong kind are 400 and named, here and at the first render."""
        for query, field in (
            ("sort=worst", "sort"), ("size=0", "size"), ("size=101", "size"), ("size=x", "size"), ("size=-1", "size"),
            ("size=1e1", "size"), ("size=%D9%A3", "size"), ("after=-1", "after"), ("after=x", "after"),
            ("after=9999999999999999999", "after"), ("cursor=x", "cursor"), ("cursor=MWUzMDAsNQ", "cursor"),
            ("sort=%ff", "sort"), ("cursor=%ff", "cursor"),
        ):  # fmt: skip
            for path in (f"{COMMENTS}?channel=k&{query}", f"/bootstrap?site=1&channel=k&{query}"):
                answer = await self.ask("GET", path)
                self.assertEqual((answer.status, answer.json().get("field")), (400, field), path)
        for path, field in (
            (f"{COMMENTS}?channel=k&readPreference=best", "readPreference"), (COMMENTS, "channel.key"),
            (f"{COMMENTS}?channel=%ff", "channel"), (f"{COMMENTS}?channel=a%00b", "channel.key"),
            ("/api/v1/sites/1/counts", "channel"), ("/api/v1/sites/1/counts?channel=", "channel.key"),
            ("/api/v1/sites/1/counts?channel=%ff", "channel"),
            ("/api/v1/sites/1/counts?" + "&".join(f"channel={n}" for n in range(101)), "channel"),
            ("/bootstrap?site=1", "channel"), ("/bootstrap?site=x&channel=k", "site"),
            ("/bootstrap?site=-1&channel=k", "site"),
            ("/bootstrap?site=1&channel=%ff", "channel"),
        ):  # fmt: skip
            answer = await self.ask("GET", path)
            self.assertEqual((answer.status, answer.json().get("field")), (400, field), path)
        self.assertEqual((await self.ask("GET", f"{COMMENTS}?channel=k&parent=x")).status, 404)

    async def test_methods_and_addresses(self) -> None:
        """What is not there is 404; a method that a call does not have is 405 and names those it has."""
        for path in ("/api/v1", "/api", "/api/v1/", "/api/v1/nothing", "/api/v1/sites/", "/api/v1/sites/1",
                     "/api/v1/sites/1/nothing", "/api/v1/sites/x/comments", "/api/v1/sites/-1/comments", "/nothing",
                     f"{COMMENTS}/5/nothing", f"{COMMENTS}/", f"{COMMENTS}/5/vote/x", "/api/v2/sites"):  # fmt: skip
            for method in ("GET", "POST", "DELETE"):
                answer = await self.ask(method, path)
                self.assertEqual((answer.status, answer.slug), (404, "not-found"), (method, path))
        for method, path, allowed in (
            ("PUT", COMMENTS, {"GET", "HEAD", "POST", "OPTIONS"}),
            ("DELETE", "/api/v1/sites/1/counts", {"GET", "HEAD", "OPTIONS"}),
            ("GET", "/api/v1/sites/1/sessions", {"POST", "OPTIONS"}),
            ("POST", f"{COMMENTS}/5/vote", {"PUT", "OPTIONS"}),
            ("POST", "/bootstrap?site=1&channel=k", {"GET", "HEAD"}),
            ("POST", "/api/v1/openapi.json", {"GET", "HEAD"}),
        ):  # fmt: skip
            answer = await self.ask(method, path, b"{}" if method == "POST" else None)
            self.assertEqual((answer.status, answer.slug), (405, "method-not-allowed"), path)
            self.assertEqual(set(answer.headers["allow"].split(", ")), allowed, path)
        for path in ("/api/v1/sites/1/comments/%ff", "/api/v1/%ff", "/api/v1/sites/%ff/comments"):
            answer = await self.ask("GET", path)
            self.assertIn(answer.status, (400, 404), path)
            self.assertTrue(answer.slug)
        self.assertEqual(self.flushLoggedErrors(), [])
        warned = [str(one["message"]) for one in self.flushWarnings()]
        self.assertEqual([one for one in warned if "finish" in one], [])

    async def test_head(self) -> None:
        """HEAD is GET without the body, down to the length."""
        await self.post(await self.visitor())
        for path in (f"{COMMENTS}?channel=page", "/api/v1/sites/1/counts?channel=page", "/api/v1/openapi.json",
                     "/healthz", "/bootstrap?site=1&channel=page", "/widget.js"):  # fmt: skip
            got = await self.ask("GET", path)
            head = await self.ask("HEAD", path)
            self.assertEqual((head.status, head.body), (200, b""), path)
            self.assertEqual(head.headers["content-length"], str(len(got.body)), path)
            self.assertEqual(head.headers["content-type"], got.headers["content-type"], path)

    async def test_large(self) -> None:
        """A body over the cap is refused by its announced length, before it is sent, and closes the connection."""
        auth = await self.visitor()
        head = f"POST {COMMENTS} HTTP/1.1\r\nHost: x\r\nAuthorization: {auth}\r\nContent-Length: 65537\r\n\r\n"
        answer = await self.send(head.encode())
        self.assertTrue(answer.startswith(b"HTTP/1.1 413 "), answer[:100])
        self.assertIn(b"content-too-large", answer)
        head = f"POST {COMMENTS} HTTP/1.1\r\nHost: x\r\nAuthorization: {auth}\r\nTransfer-Encoding: chunked\r\n\r\n"
        answer = await self.send(head.encode() + b"10001\r\n" + b"x" * 65537 + b"\r\n")
        self.assertTrue(answer.startswith(b"HTTP/1.1 413 "), answer[:100])


class FlowTests(ApiCase):
    """Each call doing its work."""

    async def test_life(self) -> None:
        """Post, read, edit, vote, flag, delete: the answers as the protocol describes them."""
        ann, bob = await self.visitor(), await self.visitor()
        answer = await self.ask("POST", COMMENTS, self.comment("Hi *you*"), authorization=ann, origin=ORIGIN)
        self.assertEqual(answer.status, 201)
        self.assertEqual(answer.headers["x-microcachable"], "0")
        self.assertNotIn("set-cookie", answer.headers)
        self.assertEqual(answer.headers["cache-control"], "no-store")
        made = answer.json()
        one = made["comment"]["id"]
        channel = self.site.channel("comments", "page")
        self.assertEqual(made["position"], f"1/{channel}@1")
        self.assertEqual(
            set(made["comment"]),
            {
                "id",
                "parent",
                "root",
                "depth",
                "author",
                "html",
                "created",
                "edited",
                "up",
                "down",
                "score",
                "deleted",
                "source",
            },
        )
        reply = await self.post(bob, "yes", parent=one)
        self.assertEqual((reply["comment"]["parent"], reply["comment"]["depth"]), (one, 1))

        seen = (await self.ask("GET", f"{COMMENTS}/{one}")).json()["comment"]
        self.assertNotIn("source", seen)
        mine = (await self.ask("GET", f"{COMMENTS}/{one}", authorization=ann)).json()["comment"]
        self.assertEqual(mine, {**seen, "source": "Hi *you*"})

        edited = (await self.ask("PATCH", f"{COMMENTS}/{one}", {"text": "Hi"}, authorization=ann)).json()
        self.assertEqual((edited["comment"]["html"], edited["position"]), ("<p>Hi</p>", f"1/{channel}@3"))
        self.assertEqual((await self.ask("PATCH", f"{COMMENTS}/{one}", {"text": "No"}, authorization=bob)).status, 403)

        voted = await self.ask("PUT", f"{COMMENTS}/{one}/vote", {"value": 1}, authorization=bob)
        self.assertEqual(
            voted.json(), {"id": one, "up": 1, "down": 0, "score": 1, "value": 1, "position": f"1/{channel}@4"}
        )
        self.assertEqual(voted.headers["x-microcachable"], "0")
        flagged = await self.ask("POST", f"{COMMENTS}/{one}/flags", {}, authorization=bob)
        self.assertEqual((flagged.status, flagged.json()), (201, {}))

        page = (await self.ask("GET", f"{COMMENTS}?channel=page&sort=new&after=4")).json()
        self.assertEqual((page["position"], page["channel"]["comments"]), (f"1/{channel}@4", 2))
        self.assertEqual(page["page"]["comments"][0]["replies"][0]["id"], reply["comment"]["id"])
        below = (await self.ask("GET", f"{COMMENTS}?channel=page&parent={one}")).json()
        self.assertEqual([c["id"] for c in below["page"]["comments"]], [reply["comment"]["id"]])
        counts = (await self.ask("GET", "/api/v1/sites/1/counts?channel=page&channel=b")).json()
        self.assertEqual(counts, {"counts": {"page": 2, "b": 0}})

        deleted = await self.ask("DELETE", f"{COMMENTS}/{one}", authorization=ann)
        self.assertEqual(deleted.json(), {"position": f"1/{channel}@5"})
        gone = (await self.ask("GET", f"{COMMENTS}/{one}")).json()["comment"]
        self.assertEqual((gone["deleted"], gone["author"], gone["html"]), (True, None, ""))
        self.assertEqual((await self.ask("DELETE", f"{COMMENTS}/{one}", authorization=ann)).status, 404)

    async def test_rules(self) -> None:
        """The rules' refusals keep their status, slug and field over HTTP."""
        ann, bob = await self.visitor(), await self.visitor()
        one = (await self.post(ann))["comment"]["id"]
        await self.application.sites.change(1, "edit_seconds", 0)
        answer = await self.ask("PATCH", f"{COMMENTS}/{one}", {"text": "x"}, authorization=ann)
        self.assertEqual((answer.status, answer.slug), (409, "window"))
        await self.application.sites.change(1, "votes", False)
        self.assertEqual((await self.ask("PUT", f"{COMMENTS}/{one}/vote", {"value": 1}, authorization=bob)).status, 404)
        await self.application.sites.change(1, "level", 0)
        answer = await self.ask("POST", COMMENTS, self.comment(parent=one), authorization=ann)
        self.assertEqual((answer.status, answer.slug, answer.json()["field"]), (422, "depth", "parent"))
        self.sql("update channel set locked = true")
        answer = await self.ask("POST", COMMENTS, self.comment(), authorization=ann)
        self.assertEqual((answer.status, answer.slug), (403, "locked"))
        await self.application.bans(self.site).ban("visitor", self.visitor_of(ann))
        answer = await self.ask("POST", COMMENTS, self.comment(key="b"), authorization=ann)
        self.assertEqual((answer.status, answer.slug), (403, "banned"))
        self.sql("update channel set key = 'other', locked = false")
        answer = await self.ask("POST", COMMENTS, self.comment(), authorization=bob)
        self.assertEqual((answer.status, answer.slug), (409, "key"))

    async def test_idempotency(self) -> None:
        """The same key again gives the same answer and says so, also when sent at the same moment."""
        auth = await self.visitor()
        first = await self.ask("POST", COMMENTS, self.comment(), authorization=auth, idempotency_key="k1")
        again = await self.ask("POST", COMMENTS, self.comment(), authorization=auth, idempotency_key="k1")
        self.assertNotIn("idempotent-replayed", first.headers)
        self.assertEqual(again.headers["idempotent-replayed"], "true")
        self.assertEqual((again.status, again.body), (201, first.body))
        # Other words, or another place, are another call; once it was edited nobody can tell.
        number = first.json()["comment"]["id"]
        for other in (self.comment("other"), {**self.comment(), "parent": number}):
            answer = await self.ask("POST", COMMENTS, other, authorization=auth, idempotency_key="k1")
            self.assertEqual((answer.status, answer.slug), (422, "key-reused"))
        await self.ask("PATCH", f"{COMMENTS}/{number}", {"text": "edited"}, authorization=auth)
        again = await self.ask("POST", COMMENTS, self.comment(), authorization=auth, idempotency_key="k1")
        self.assertEqual((again.status, again.json()["comment"]["id"]), (201, number))
        self.assertEqual(self.sql("select count(*) from comment"), [(1,)])
        work = [
            Deferred.fromCoroutine(
                self.ask("POST", COMMENTS, self.comment("at once"), authorization=auth, idempotency_key="k2")
            )
            for _ in range(8)
        ]
        answers = await gatherResults(work)
        self.assertEqual({one.status for one in answers}, {201})
        self.assertEqual(len({one.body for one in answers}), 1)
        self.assertEqual(sum("idempotent-replayed" not in one.headers for one in answers), 1)

    async def test_sessions(self) -> None:
        """Renewed for the same visitor; a token that can't be renewed gives a new one; two are never the same."""
        first, other = await self.session(), await self.session()
        self.assertEqual(set(first), {"token", "visitor", "view", "expires"})
        self.assertNotEqual(first["visitor"], other["visitor"])
        renewed = await self.ask("POST", "/api/v1/sites/1/sessions", authorization=f"Bearer {first['token']}")
        self.assertEqual((renewed.status, renewed.json()["visitor"]), (201, first["visitor"]))
        for token in ("Bearer nonsense", await self.visitor(2)):
            answer = await self.ask("POST", "/api/v1/sites/1/sessions", authorization=token)
            self.assertEqual(answer.status, 201)
            self.assertNotIn(answer.json()["visitor"], (first["visitor"], other["visitor"]))

    async def test_blocks(self) -> None:
        """A visitor's own list."""
        auth = await self.visitor()
        for method, author in (("PUT", "5"), ("PUT", "6"), ("PUT", "5"), ("DELETE", "6"), ("DELETE", "7")):
            answer = await self.ask(method, f"/api/v1/sites/1/blocks/{author}", authorization=auth)
            self.assertEqual((answer.status, answer.body), (204, b""))
        self.assertEqual(
            (await self.ask("GET", "/api/v1/sites/1/blocks", authorization=auth)).json(), {"blocked": ["5"]}
        )
        mine = self.visitor_of(auth)
        answer = await self.ask("PUT", f"/api/v1/sites/1/blocks/{mine}", authorization=auth)
        self.assertEqual((answer.status, answer.json()["field"]), (422, "author"))
        self.assertEqual((await self.ask("PUT", "/api/v1/sites/1/blocks/x", authorization=auth)).status, 404)

    async def test_cookie_over_https(self) -> None:
        """After a write over https a cookie takes the writer past the microcache for two seconds; never without."""
        self.infrastructure.http.proxies = type(self.infrastructure.http.proxies)(("127.0.0.0/8",))
        auth = await self.visitor()
        answer = await self.ask("POST", COMMENTS, self.comment(), authorization=auth, x_forwarded_proto="https")
        if "set-cookie" in answer.headers:
            cookie = answer.headers["set-cookie"]
            for part in ("_mcnc=1", "Max-Age=2", "SameSite=None", "Secure", "Partitioned"):
                self.assertIn(part, cookie)

    async def test_read_preference(self) -> None:
        """Each preference is taken; a secondary where there is none is 503, to be tried again."""
        await self.post(await self.visitor())
        for name in ("primary", "primaryPreferred", "secondaryPreferred", "nearest"):
            self.assertEqual((await self.ask("GET", f"{COMMENTS}?channel=page&readPreference={name}")).status, 200)
        answer = await self.ask("GET", f"{COMMENTS}?channel=page&readPreference=secondary")
        self.assertEqual((answer.status, answer.slug), (503, "unavailable"))
        self.assertGreaterEqual(int(answer.headers["retry-after"]), 1)
