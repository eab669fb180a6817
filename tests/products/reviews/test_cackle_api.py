"""Cackle's calls of reviews at their old addresses."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

from tests.api.common import Answer
from tests.products.reviews.common import ReviewCase
from tests.support.staff import site_key

FORM = "application/x-www-form-urlencoded"


class OldTests(ReviewCase):
    """What pages and plugins send, and what they read of the answers."""

    async def form(self, path: str, **fields: Any) -> Answer:
        """A form by POST."""
        return await self.ask("POST", path, urlencode(fields).encode(), content_type=FORM)

    async def test_rating(self) -> None:
        """Place, reviews, votes and sum of each channel, in the order of the question."""
        for star in (5, 4):
            await self.made(star=star)
        answer = await self.ask("GET", f"/review/1/rating?len=3&0=cup&1={quote('mug')}&2=", origin=None)
        self.assertEqual(answer.json(), {"res": "0:0:0:0,1:2:0:9"})
        for query in ("", "?len=x", "?len=-1", "?len=99999999", "?len=2&0=%00", "?len=1&0=" + "x" * 2000):
            self.assertIn((await self.ask("GET", f"/review/1/rating{query}", origin=None)).status, (200, 400), query)

    async def test_submit_list_vote(self) -> None:
        """A form is written as everybody's review, with Cackle's words for what is refused."""
        path = "/review/1/submit"
        wrong = await self.form(path, chan="mug", comment="x", name="Ann")
        self.assertEqual(wrong.json()["reviewResponse"]["error"]["code"], "starError")
        made = await self.form(path, chan="mug", star=4, pros="warm", comment="It holds", name="Ann", recom="true")
        response = made.json()["reviewResponse"]
        self.assertEqual((response["rate"], response["review"]["star"]), ({"stars": 4, "count": 1}, 4))
        self.assertNotIn("error", response)
        self.assertFalse(response["review"]["vb"])
        listed = await self.ask("GET", "/review/1/list?chan=mug&prop=star&order=desc&size=5", origin=None)
        row = listed.json()["reviewMiniDtoList"][0]
        self.assertEqual((row["pros"], row["recom"], row["anonym"]["name"]), ("warm", True, "Ann"))
        self.assertEqual((await self.ask("GET", f"/review/1/vote/{row['id']}/1", origin=None)).status, 405)
        voted = await self.form(f"/review/1/vote/{row['id']}/1")
        self.assertEqual(voted.json()["reviewSmallDto"], {"up": 1, "down": 0})
        await self.owner.ask("PUT", f"/api/v1/sites/1/reviews/{row['id']}/reply", {"text": "Thanks"})
        replies = await self.ask("GET", f"/review/1/comment/list?reviewId={row['id']}", origin=None)
        self.assertEqual(replies.json()["reviewCommentDtoList"][0]["comment"], "<p>Thanks</p>")
        evil = await self.ask("POST", path, urlencode({"chan": "mug", "star": 1, "name": "B"}).encode(),
                              content_type=FORM, origin="https://evil.example")  # fmt: skip
        self.assertEqual(evil.json()["reviewResponse"]["error"]["code"], "origin")

    async def test_mail_links_grant_nothing(self) -> None:
        """Who comes by a link of Cackle's mail is not verified: nothing in it is signed by us."""
        fields = {"chan": "mug", "star": 5, "name": "Ann", "folwId": 7, "folwtime": 1, "orderId": "A-1", "ssoAuth": "x"}
        made = (await self.form("/review/1/submit", **fields)).json()["reviewResponse"]["review"]
        self.assertFalse(made["vb"])
        self.assertEqual(self.sql("select verified from review"), [("",)])

    async def test_odd_values(self) -> None:
        """What no database takes as a number, a date or a text is left out, or the review is."""
        key = (await site_key(self, ["sync"], name="old")).headers["authorization"].partition(" ")[2]
        wrong = (None, [], {}, "\0", 1e308, -1, -(10**16), 10**18, "9999-99-99", "http://\u2100/",
                 "".join(chr(97 + n * 7 % 26) for n in range(5000)))  # fmt: skip
        good = {"id": 7, "star": "4", "comment": "c", "created": "1700000000000", "status": "approved", "name": "Ann",
                "up": 1, "ip": "192.0.2.1", "author": {"id": 5, "name": "Bob"}}  # fmt: skip
        for name in good:
            for value in wrong:
                given = json.dumps({"chan": "mug", "url": "", "title": "", "reviews": [{**good, name: value}]})
                answer = await self.form("/api/3.0/review/post.json", reviews=given, id=1, siteApiKey=key,
                                         accountApiKey=key)  # fmt: skip
                self.assertEqual(answer.status, 200, (name, value, answer))

    async def test_servers(self) -> None:
        """A server with our key reads what changed, and brings what was written elsewhere, once."""
        client = await site_key(self, ["read", "sync"], name="old")
        key = client.headers["authorization"].partition(" ")[2]
        keys = {"id": 1, "siteApiKey": key, "accountApiKey": key}
        rows = [{"id": 7, "star": "4", "pros": "p", "comment": "c", "recom": "true", "created": "1700000000000",
                 "status": "approved", "name": "Ann", "email": "ann@mail.example"}, {"id": 8, "star": 9}]  # fmt: skip
        given = json.dumps({"chan": "mug", "url": "https://one.example/mug", "title": "Mug", "reviews": rows})
        for added in (1, 0):
            answer = await self.form("/api/3.0/review/post.json", reviews=given, **keys)
            self.assertEqual(answer.json()["responseApi"]["added"], added, answer)
        self.assertEqual((await self.summary())["own"]["count"], 0)
        listed = await self.ask("GET", f"/api/3.0/review/list.json?{urlencode(keys)}&modified=0", origin=None)
        row = listed.json()["reviews"][0]
        self.assertEqual((row["star"], row["created"], row["chan"]["channel"]), (4, 1_700_000_000_000, "mug"))
        self.assertNotIn("ann@mail", listed.body.decode())
        self.assertEqual((await self.ask("GET", "/api/3.0/review/list.json?id=1&siteApiKey=x")).status, 403)
        bad = await self.form("/api/3.0/review/post.json", reviews="[", **keys)
        self.assertEqual(bad.json()["responseApi"]["status"], "fail")
        self.counts_agree()
