"""Where a read may go, what its answer says of that, and what it costs."""

from __future__ import annotations

from urllib.parse import urlencode

from cackled.database.routing import ReadPreference
from tests.api.common import ApiCase

COMMENTS = "/api/v1/sites/1/comments"
READS = ("/comments?channel=page", "/counts?channel=page", "/comments/{id}?", "/blocks?")


class ReadTests(ApiCase):
    """On one server, which is the primary."""

    async def test_source(self) -> None:
        """Every read says who was asked and how far that one may be behind; a primary is not, and nothing is stale."""
        auth = await self.visitor()
        comment = (await self.post(auth))["comment"]["id"]
        for path in READS:
            url = "/api/v1/sites/1" + path.format(id=comment)
            for preference in ("primary", "primaryPreferred", "secondaryPreferred", "nearest"):
                answer = await self.ask("GET", f"{url}&readPreference={preference}&maxStaleness=5", authorization=auth)
                self.assertEqual(answer.status, 200, (url, answer))
                self.assertEqual(answer.headers["x-cackled-server"], "primary")
                self.assertLess(float(answer.headers["x-cackled-staleness"]), 5)
                self.assertNotIn("x-cackled-stale", answer.headers)
            answer = await self.ask("GET", f"{url}&readPreference=secondary", authorization=auth)
            self.assertEqual((answer.status, answer.slug), (503, "unavailable"), url)

    async def test_not_so_far(self) -> None:
        """Where the primary itself has not come as far as was asked for, the answer is marked; it is not an error."""
        comment = (await self.post(await self.visitor()))["comment"]["id"]
        for path in (f"{COMMENTS}?channel=page&", f"{COMMENTS}/{comment}?", "/bootstrap?site=1&channel=page&",
                     "/api/v1/sites/1/counts?channel=page&"):  # fmt: skip
            for preference in ("primary", "primaryPreferred", "secondaryPreferred", "nearest"):
                for after, stale in ((1, None), (99, "1")):
                    answer = await self.ask("GET", f"{path}readPreference={preference}&after={after}")
                    self.assertEqual((answer.status, answer.headers.get("x-cackled-stale")), (200, stale), path)

    async def test_where_a_comment_stands(self) -> None:
        """One comment comes with its channel, and with its address where its page is one of the site's."""
        auth = await self.visitor()
        for key, url, at in (
            ("page", "https://one.example/x", "https://one.example/x"),
            ("odd", "https://two.example/", ""),
        ):
            body = self.comment("text", key) | {"channel": {"key": key, "url": url}}
            made = (await self.ask("POST", "/api/v1/sites/1/comments", body, authorization=auth)).json()["comment"][
                "id"
            ]
            one = (await self.ask("GET", f"/api/v1/sites/1/comments/{made}")).json()
            self.assertEqual(one["channel"], (await self.bootstrap(key)).json()["channel"]["id"])
            self.assertEqual(one["permalink"], at and f"{at}#mc-{made}")

    async def test_first_render(self) -> None:
        """The first render says it too, kept or not; with a bound it is not kept for others."""
        auth = await self.visitor()
        await self.post(auth)
        for _ in range(2):
            answer = await self.bootstrap()
            self.assertEqual(answer.headers["x-cackled-server"], "primary")
            self.assertIn("x-cackled-staleness", answer.headers)
        self.assertIn("hit", answer.headers["cache-status"])
        for _ in range(2):
            answer = await self.bootstrap(query="&maxStaleness=5&readPreference=secondaryPreferred")
            self.assertNotIn("hit", answer.headers["cache-status"])

    async def test_wrong(self) -> None:
        """What can't be wished is named."""
        for query, field in (("readPreference=any", "readPreference"), ("maxStaleness=soon", "maxStaleness"),
                             ("maxStaleness=-1", "maxStaleness"), ("after=x", "after")):  # fmt: skip
            for url in ("/bootstrap?site=1&channel=page", "/api/v1/sites/1/comments?channel=page"):
                answer = await self.ask("GET", f"{url}&{query}")
                self.assertEqual((answer.status, answer.json()["field"]), (400, field), (url, query))

    async def test_counts_after(self) -> None:
        """As many positions as channels, in their order."""
        auth = await self.visitor()
        await self.post(auth)
        url = "/api/v1/sites/1/counts?channel=page&channel=b"
        answer = await self.ask("GET", url + "&after=1&after=0")
        self.assertEqual(answer.json(), {"counts": {"page": 1, "b": 0}})
        for wrong in ("&after=1", "&after=1&after=2&after=3", "&after=1&after=x"):
            answer = await self.ask("GET", url + wrong)
            self.assertEqual((answer.status, answer.json()["field"]), (400, "after"), wrong)

    async def test_usage(self) -> None:
        """Reads are counted by preference; what the microcache answers is not."""
        for _ in range(3):
            await self.bootstrap()
        await self.ask("GET", "/api/v1/sites/1/comments?channel=page")
        await self.ask("GET", "/api/v1/sites/2/counts?channel=page")
        await self.application.usage.flush()
        self.assertEqual(
            await self.application.usage.month(1), [(ReadPreference.PRIMARY, 1, 5), (ReadPreference.NEAREST, 1, 1)]
        )
        self.assertEqual(await self.application.usage.month(2), [(ReadPreference.NEAREST, 1, 1)])


class AddressTests(ApiCase):
    """The channel of a page whose owner names none: all calls find the same one by all its addresses."""

    async def test_one_page(self) -> None:
        """Every way to give an address, and what pages of former releases send as a key."""
        auth = await self.visitor()
        sent = {"channel": {"url": "https://one.example/%d0%bf/?utm_source=x#c"}, "text": "one", "name": "Ann"}
        self.assertEqual((await self.ask("POST", COMMENTS, sent, authorization=auth)).status, 201)
        for address in ("https://one.example/п", "http://www.one.example/%D0%BF?", "/%d0%bf?fbclid=1"):
            for name in ("url", "channel") if "://" in address else ("url",):
                query = urlencode({name: address})
                for path in (f"{COMMENTS}?{query}", f"/bootstrap?site=1&{query}"):
                    told = (await self.ask("GET", path)).json()
                    self.assertEqual((told["channel"]["key"], told["channel"]["comments"]), ("/%D0%BF", 1), path)
                told = (await self.ask("GET", f"/api/v1/sites/1/counts?{query}")).json()
                self.assertEqual(told["counts"], {address: 1})
                self.assertEqual(told.get("keys"), {address: "/%D0%BF"} if name == "url" else None)
            told = (await self.ask("GET", f"/bootstrap?site=1&host=1&{urlencode({'url': address})}")).json()
            host = "//one.example" if "://" in address else ""
            self.assertEqual(told["channel"]["key"], f"{host}/%D0%BF")
        for key in ("/%d0%bf", "demo", "//one.example/p"):
            told = (await self.ask("GET", f"{COMMENTS}?{urlencode({'channel': key})}")).json()
            self.assertEqual(told["channel"]["key"], key)

    async def test_settings(self) -> None:
        """Hosts, further parameters, and the rule of former releases, by the site's settings."""
        address = "https://www.one.example/p/?ref=1&a=2&utm_id=3#c"
        for settings, key in (
            ({}, "/p?ref=1&a=2"), ({"channel_ignore": "ref, src_*"}, "/p?a=2"),
            ({"channel_rule": "host"}, "//one.example/p?ref=1&a=2"),
            ({"channel_rule": "address"}, "https://www.one.example/p/?ref=1&a=2&utm_id=3"),
        ):  # fmt: skip
            for name, value in {"channel_ignore": "", "channel_rule": "path", **settings}.items():
                await self.application.sites.change(1, name, value)
            told = (await self.ask("GET", f"{COMMENTS}?{urlencode({'url': address})}")).json()
            self.assertEqual(told["channel"]["key"], key)
