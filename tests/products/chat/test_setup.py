"""Hours, forms, ready answers, the board and reports, over the API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cackled.products.chat.hours import Hours
from cackled.products.chat.report import figure, missed, reckon, table
from tests.products.chat.common import CHATS, ChatCase
from tests.support.staff import sign_in

CLOSED = {"zone": "Europe/Berlin", "week": {"mon": []}, "exceptions": []}
SETUP = {
    "greeting": {"text": "Hi <b>", "name": "Ann", "avatar": "https://one.example/a.png"},
    "before": [{"name": "order", "label": "Order", "kind": "text", "required": True}],
    "offline": [{"name": "topic", "label": "Topic", "kind": "choice", "options": ["a", "b"]}],
    "consent": "",
    "invitations": [
        {"id": "one", "text": "Can I help?", "seconds": 10, "countries": ["DE"]},
        {"id": "two", "text": "Off", "on": False},
    ],
}


class SetupTests(ChatCase):
    """What the owner says, and what visitors get of it."""

    async def test_hours_and_forms(self) -> None:
        """Outside of the hours nobody is there, though an operator is; the first render has forms and rules."""
        owner = await sign_in(self, "admin")
        await self.online(self.ann)
        self.assertEqual((await self.ann.ask("GET", f"{CHATS}/hours")).json()["week"], {})
        self.assertEqual((await self.ann.change("PUT", f"{CHATS}/hours", CLOSED)).status, 403)
        self.assertEqual((await owner.change("PUT", f"{CHATS}/setup", SETUP)).status, 200)
        saved = await owner.change("PUT", f"{CHATS}/hours", CLOSED)
        self.assertEqual((saved.status, saved.json()), (200, CLOSED), saved)
        self.assertEqual((await self.start())["state"], "offline")
        page = (await self.ask("GET", "/bootstrap?widget=Chat&site=1")).json()["chat"]
        self.assertEqual((page["status"], page["accepting"], page["next_opening"]), ("offline", False, None))
        self.assertEqual([one["name"] for one in page["before"] + page["offline"]], ["order", "topic"])
        self.assertEqual([one["id"] for one in page["invitations"]], ["one"])
        self.assertEqual(page["greeting"]["name"], "Ann")
        for body in ({"zone": "../x"}, {"week": {"mon": [["9", "10"]]}}):
            self.assertEqual((await owner.change("PUT", f"{CHATS}/hours", body)).slug, "bad-field")
        for body in (
            {"before": [SETUP["before"][0], SETUP["before"][0]]},  # type: ignore[index]
            {"before": [{"name": "x", "label": "X", "kind": "choice"}]},
            {"greeting": {"avatar": "javascript:alert(1)"}},
        ):
            self.assertEqual((await owner.change("PUT", f"{CHATS}/setup", body)).slug, "bad-field", body)

    async def test_consent(self) -> None:
        """Who does not agree can't start."""
        owner = await sign_in(self, "admin")
        await owner.change("PUT", f"{CHATS}/setup", {"consent": "I agree"})
        answer = await self.ask("POST", CHATS, {"key": "k", "text": "x"}, authorization=await self.visitor())
        self.assertEqual(answer.slug, "consent")
        await self.start(consent=True)

    async def test_replies(self) -> None:
        """Made, found, changed, counted and removed; a name is there once, and another site has none of them."""
        path = f"{CHATS}/replies"
        made = await self.ann.ask("POST", path, {"short": "hi", "text": "Hello {name}"})
        self.assertEqual(made.status, 201, made)
        number = made.json()["id"]
        again = await self.ann.ask("POST", path, {"short": "hi", "text": "Twice"})
        self.assertEqual(again.slug, "bad-field")
        await self.ann.ask("POST", f"{path}/{number}/used")
        changed = await self.ben.change("PATCH", f"{path}/{number}", {"text": "Good day"})
        self.assertEqual(
            changed.json(),
            {"id": number, "short": "hi", "text": "Good day", "language": "", "department": None, "uses": 1,
             "version": changed.json()["version"]},
        )
        self.assertEqual(len((await self.ann.ask("GET", path)).json()["replies"]), 1)
        self.assertEqual((await self.ann.ask("DELETE", f"{path}/{number}")).status, 204)
        for method, tail in (("DELETE", ""), ("PATCH", ""), ("POST", "/used")):
            body = {"text": "x"} if method == "PATCH" else None
            answer = await self.ann.ask(method, f"{path}/{number}{tail}", body, if_match='"1"')
            self.assertEqual(answer.slug, "reply")

    async def test_board_and_report(self) -> None:
        """Who waits, who answers, and what became of all."""
        await self.online(self.ann, capacity=1)
        first = await self.start(key="a")
        await self.start(key="b")
        board = (await self.ann.ask("GET", f"{CHATS}/board")).json()
        self.assertEqual((board["waiting"], board["open"]), (1, 1))
        mine = next(one for one in board["operators"] if one["name"] == "Ann")
        self.assertEqual((mine["chats"], mine["waiting"], mine["capacity"]), (1, 1, 1))
        await self.ann.ask("POST", f"{CHATS}/{first['chat']}/messages", {"text": "Hello"})
        await self.ann.ask("POST", f"{CHATS}/{first['chat']}/close", {})
        await self.by_visitor(first, "POST", "/rating", {"score": 5})
        today = datetime.now(UTC).date().isoformat()
        report = (await self.ann.ask("GET", f"{CHATS}/report?from={today}&to={today}")).json()
        self.assertEqual((report["chats"], report["closed"]), (2, 1))
        self.assertEqual(report["csat"], {"positive": 1, "answers": 1, "asked": 1})
        self.assertEqual(report["figures"]["first_response"]["n"], 1)
        self.assertEqual(report["figures"]["reply"]["n"], 1)
        self.assertEqual(sum(map(sum, report["heat"])), 2)
        self.assertEqual([one["name"] for one in report["operators"]], ["Ann"])
        self.assertEqual([(one["id"], one["chats"]) for one in report["departments"]], [(None, 2)])
        owner = await sign_in(self, "admin")
        sales = (await owner.ask("POST", f"{CHATS}/departments", {"name": "Sales"})).json()["id"]
        await self.start(key="c", department=sales)
        for words, chats, names in (("", 3, ["Sales", ""]), (f"&department={sales}", 1, ["Sales"])):
            report = (await self.ann.ask("GET", f"{CHATS}/report?from={today}{words}")).json()
            self.assertEqual((report["chats"], [one["name"] for one in report["departments"]]), (chats, names))
        text = await self.ann.ask("GET", f"{CHATS}/report/csv?from={today}")
        self.assertIn(b"first_response,", text.body)
        for words in ("from=x", "from=2026-02-30", "from=2020-01-01&to=2026-01-01", "from=9999-12-31T00:00:00Z",
                      "from=2026-01-02&to=2026-01-01"):  # fmt: skip
            self.assertEqual((await self.ann.ask("GET", f"{CHATS}/report?{words}")).slug, "bad-field", words)

    async def test_numbers(self) -> None:
        """The largest numbers that the description allows are taken; a seq is whole, however it is written."""
        chat = await self.start()
        for words in (f"before={10**18 - 1}", f"since={10**18 - 1}"):
            self.assertEqual((await self.by_visitor(chat, "GET", f"/messages?{words}")).status, 200, words)
        for seq, status in ((1, 200), (1.0, 200), (2**53, 200), (1.5, 400), (-1, 400), (2**60, 400)):
            answer = await self.by_visitor(chat, "PUT", "/read", {"seq": seq})
            self.assertEqual(answer.status, status, (seq, answer))
        for score, status in ((0, 400), (6, 400), (5, 200)):
            self.assertEqual((await self.by_visitor(chat, "POST", "/rating", {"score": score})).status, status, score)

    async def test_rights(self) -> None:
        """Neither visitors nor staff without the right get any of it; each site has its own."""
        reader = await sign_in(self, "analyst")
        await self.ann.ask("POST", f"{CHATS}/replies", {"short": "canary", "text": "canary"})
        visitor = await self.visitor()
        for path in ("replies", "hours", "setup", "board", "report"):
            self.assertEqual((await reader.ask("GET", f"{CHATS}/{path}")).status, 403, path)
            answer = await self.ask("GET", f"{CHATS}/{path}", authorization=visitor)
            self.assertIn(answer.status, (401, 403), path)
        self.assertEqual(self.sql("select distinct site_id from chat_reply"), [(1,)])

    def test_figures(self) -> None:
        """Median, nearest rank and mean; each missed conversation in one class; a table that is no formula."""
        self.assertEqual(figure([]).n, 0)
        self.assertEqual(figure([3.0]), type(figure([]))(3.0, 3.0, 3.0, 1))
        ten = figure(float(n) for n in range(1, 11))
        self.assertEqual((ten.median, ten.p90, ten.mean), (5.5, 9.0, 5.5))
        base = datetime(2026, 11, 27, 10, tzinfo=UTC).timestamp()
        #       created, spoke, accepted, answered, closed, by, offline, assignee, name, score
        rows = [
            (base, base, base + 5, base + 20, base + 60, "operator", False, 1, "=Ann", 5),
            (base, base, None, None, base + 60, "visitor", False, None, "", None),
            (base, base, None, None, base + 60, "system", False, None, "", None),
            (base, base, base + 5, None, base + 60, "operator", False, 1, "=Ann", 2),
            (base, base, None, None, None, "", True, None, "", None),
            (base + 7000, None, None, None, None, "", False, None, "", None),
        ]
        sales = (7, "+Sales")
        rows = [(*row, *(sales if n in (0, 3) else (None, ""))) for n, row in enumerate(rows)]
        now = base + timedelta(hours=2).total_seconds()
        self.assertEqual([missed(row, now) for row in rows], ["", "visitor", "abandoned", "timeout", "offline", ""])
        made = reckon(rows, [(base, base + 20)], Hours("UTC", {"fri": [("09:00", "10:00")]}), (base, now), now)
        self.assertEqual((made.figures.wait.median, made.figures.wait.business.median), (5.0, 0.0))
        self.assertEqual((made.csat.positive, made.csat.answers, made.csat.asked), (1, 2, 1))
        self.assertEqual(made.heat[4][10], 5)
        self.assertIn("'=Ann,2,20.0,60.0,50.0", table(made))
        self.assertEqual(
            [(one.id, one.chats, one.missed, one.first_response, one.csat) for one in made.departments],
            [("7", 2, 1, 20.0, 50.0), (None, 4, 3, None, None)],
        )
        self.assertIn("'+Sales,2,1,20.0,5.0,60.0,50.0", table(made))
