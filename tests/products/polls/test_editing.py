"""Making and changing polls, opening and closing by the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.domain.outbox import Work
from cackled.domain.videos import canonical
from cackled.products.polls.closing import Closing
from tests.products.polls.common import OPTIONS, PollCase
from tests.support.staff import sign_in, site_key


def after(seconds: float) -> str:
    """A time so many seconds from now."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


class MakeTests(PollCase):
    """New polls."""

    async def test_rights(self) -> None:
        """Moderators of the site and its servers make polls; nobody else."""
        body = {"question": "Which?", "options": OPTIONS}
        path = "/api/v1/sites/1/polls"
        self.assertIn((await self.ask("POST", path, body)).status, (401, 403))
        self.assertIn((await self.ask("POST", path, body, authorization=await self.visitor())).status, (401, 403))
        analyst, stranger = await sign_in(self, "analyst"), await sign_in(self, "owner", site=2)
        self.assertEqual((await analyst.ask("POST", path, body)).status, 403)
        self.assertIn((await stranger.ask("POST", path, body)).status, (403, 404))
        key = await site_key(self, ["moderate"])
        made = await key.ask("POST", path, body)
        self.assertEqual(made.status, 201, made)
        listed = (await self.owner.ask("GET", path)).json()["polls"]
        self.assertEqual([(one["id"], one["state"]) for one in listed], [(made.json()["id"], "open")])
        self.assertEqual((await self.owner.ask("GET", f"{path}?before={made.json()['id']}")).json()["polls"], [])

    async def test_wrong(self) -> None:
        """What can't be a poll is refused with the field at fault; nothing is made."""
        two = OPTIONS[:2]
        for more, field in (
            ({"question": " \u200b"}, "question"), ({"question": "x" * 301}, "question"), ({"options": []}, "options"),
            ({"options": two[:1]}, "options"), ({"options": [*two, {"text": "RED"}]}, "options"),
            ({"options": [*two, {"text": ""}]}, "options[2].text"), ({"options": [*two, {"text": "x" * 201}]},
                                                                     "options[2].text"),
            ({"options": [*two, {"text": "a", "id": "1"}]}, "options[2].id"),
            ({"options": [*two, {"image": "http://one.example/a.png"}]}, "options[2].image"),
            ({"options": [*two, {"image": "https://evil.example/a.png"}]}, "options[2].image"),
            ({"options": [*two, {"image": "https://one.example/a b"}]}, "options[2].image"),
            ({"options": [*two, {"video": "https://evil.example/watch?v=aaaaaaaaaaa"}]}, "options[2].video"),
            ({"max": 2}, "max"), ({"kind": "multiple", "min": 3, "max": 2}, "max"),
            ({"kind": "multiple", "max": 9}, "max"), ({"kind": "quiz"}, "options"),
            ({"explanation": "why"}, "kind"), ({"kind": "number"}, "options"),
            ({"kind": "number", "options": [], "low": 5, "high": 4}, "high"),
            ({"kind": "number", "options": [], "low": 0, "high": 1000}, "high"),
            ({"voters_shown": True}, "voters_shown"), ({"closes_at": "2027-02-31T00:00:00Z"}, "closes_at"),
            ({"closes_at": "2001-01-01T00:00:00Z"}, "closes_at"), ({"closes_at": "tomorrow"}, "closes_at"),
            ({"opens_at": after(500), "closes_at": after(100)}, "closes_at"), ({"kind": "best"}, "kind"),
            ({"quota": -1}, "quota"), ({"identity": "ip"}, "identity"),
        ):  # fmt: skip
            body = {"question": "Which?", "options": OPTIONS, **more}
            answer = await self.owner.ask("POST", "/api/v1/sites/1/polls", body)
            self.assertEqual((answer.status, answer.json().get("field")), (400, field), (more, answer))
        self.assertEqual(self.sql("select count(*) from poll"), [(0,)])

    async def test_media(self) -> None:
        """Images of the site's own pages; videos by provider and number."""
        poll = await self.make(options=[
            {"text": "a", "image": "https://one.example/a.png"}, {"video": "https://youtu.be/dQw4w9WgXcQ?t=3"},
            {"video": "https://vimeo.com/76979871/8272103f6e"},
        ])  # fmt: skip
        options = (await self.poll(poll))["poll"]["options"]
        self.assertEqual(options[0]["image"], "https://one.example/a.png")
        self.assertEqual([one["video"] for one in options[1:]],
                         [{"provider": "youtube", "id": "dQw4w9WgXcQ", "hash": "", "title": ""},
                          {"provider": "vimeo", "id": "76979871", "hash": "8272103f6e", "title": ""}])  # fmt: skip


class ChangeTests(PollCase):
    """Changing polls."""

    async def test_before_votes(self) -> None:
        """All of it, with the version that was read; options keep their ids, removed ones' are not given again."""
        poll = await self.make()
        kept = [{"id": "3", "text": "azure"}, {"id": "1", "text": "red"}, {"text": "black"}]
        changed = await self.change(poll, 1, question="Another?", options=kept, kind="multiple", max=2)
        self.assertEqual((changed.status, changed.json()["version"]), (200, 2), changed)
        found = (await self.poll(poll))["poll"]
        self.assertEqual([(one["id"], one["text"]) for one in found["options"]],
                         [("3", "azure"), ("1", "red"), ("4", "black")])  # fmt: skip
        self.assertEqual((found["question"], found["kind"], found["max"]), ("Another?", "multiple", 2))
        self.assertEqual((await self.change(poll, 1, question="Late")).slug, "version")
        unknown = [{"id": "9", "text": "x"}, {"text": "y"}]
        self.assertEqual((await self.change(poll, 2, options=unknown)).slug, "bad-field")
        self.assertEqual((await self.change("999", 1, question="x")).status, 404)
        self.assertEqual((await self.owner.ask("PATCH", f"/api/v1/sites/2/polls/{poll}", {"version": 2})).status, 403)

    async def test_after_votes(self) -> None:
        """Options are added, typing errors put right, and it is closed; nothing else."""
        poll = await self.make(kind="multiple")
        await self.vote(await self.visitor(), poll, "1", "2")
        now = [{"id": "1", "text": "red"}, {"id": "2", "text": "green"}, {"id": "3", "text": "blue"}]
        for more in (
            {"question": "Which is the worst of all?"}, {"kind": "ranked"}, {"max": 2}, {"identity": "account"},
            {"results": "staff"}, {"options": now[:2]}, {"options": [{"id": "1", "text": "purple"}, *now[1:]]},
            {"options": [{**now[0], "video": "https://youtu.be/dQw4w9WgXcQ"}, *now[1:]]}, {"changeable": False},
        ):  # fmt: skip
            self.assertEqual((await self.change(poll, 1, **more)).slug, "has-votes", more)
        fixed = [{"id": "1", "text": "Red!"}, *now[1:], {"text": "yellow"}]
        self.assertEqual((await self.change(poll, 1, options=fixed, question="Which colours?")).status, 200)
        found = (await self.poll(poll))["poll"]
        self.assertEqual([(one["id"], one["text"], one["votes"]) for one in found["options"]],
                         [("1", "Red!", 1), ("2", "green", 1), ("3", "blue", 0), ("4", "yellow", 0)])  # fmt: skip
        ann = await self.visitor()
        self.assertEqual((await self.change(poll, 2, closed=True)).status, 200)
        self.assertEqual((await self.vote(ann, poll, "1")).slug, "poll-closed")
        self.assertEqual((await self.poll(poll))["poll"]["state"], "closed")
        self.assertEqual([kind for kind, _ in self.events(poll)],
                         ["poll.updated", "poll.voted", "poll.updated", "poll.closed"])  # fmt: skip
        self.assertEqual((await self.change(poll, 3, closed=False)).status, 200)
        self.assertEqual((await self.vote(ann, poll, "1")).status, 200)

    async def test_clock(self) -> None:
        """It opens and closes by the server's clock; pages are told by the outbox, once."""
        poll, ann = await self.make(opens_at=after(1_000), closes_at=after(2_000)), await self.visitor()
        self.assertEqual((await self.vote(ann, poll, "1")).slug, "not-open")
        self.assertEqual(self.sql("select count(*) from outbox where kind = 'poll' and next_at > now()"), [(2,)])
        closing: Any = Closing(self.application)  # it has sites and database, as the outbox's parts have
        work = Work(1, 1, "poll", f'{{"poll":"{poll}"}}', 1, 0.0)
        await closing.deliver(work)
        self.assertEqual(len(self.events(poll)), 1, "it is not time")
        self.sql("update poll set opens_at = now() - interval '1 s'")
        await closing.deliver(work)
        self.assertEqual((await self.vote(ann, poll, "1")).status, 200)
        self.sql("update poll set closes_at = now() - interval '1 s'")
        self.assertEqual((await self.vote(ann, poll, "2")).slug, "poll-closed")
        self.assertEqual((await self.vote(ann, poll)).slug, "poll-closed")
        await closing.deliver(work)
        await closing.deliver(work)
        self.assertEqual([kind for kind, _ in self.events(poll)],
                         ["poll.updated", "poll.updated", "poll.voted", "poll.closed"])  # fmt: skip
        await closing.deliver(Work(1, 1, "poll", '{"poll":"99"}', 1, 0.0))

    async def test_export(self) -> None:
        """All votes as CSV: no voter, nothing that a spreadsheet takes for a formula."""
        poll = await self.make(kind="multiple", options=[{"text": "=1+1"}, {"text": 'say "hi", twice'}])
        await self.vote(await self.visitor(), poll, "1", "2", origin="https://one.example")
        answer = await self.owner.ask("GET", f"/api/v1/sites/1/polls/{poll}/export")
        self.assertEqual((answer.status, answer.headers["content-type"]), (200, "text/csv; charset=utf-8"))
        head, row = answer.body.decode().splitlines()
        self.assertEqual(head, "time,changed,state,options,page,network")
        self.assertIn(''',counted,"'=1+1 > say ""hi"", twice",https://one.example,127.0.0.0/24''', row)
        self.assertEqual((await self.ask("GET", f"/api/v1/sites/1/polls/{poll}/export")).status // 100, 4)


class VideoTests(SynchronousTestCase):
    """Addresses of videos."""

    def test_known(self) -> None:
        """The forms in use."""
        for address, found in (
            ("https://www.youtube.com/watch?v=dQw4w9WgXcQ&t=5", "youtube:dQw4w9WgXcQ"),
            ("https://m.youtube.com/shorts/dQw4w9WgXcQ", "youtube:dQw4w9WgXcQ"),
            ("https://www.youtube-nocookie.com/embed/dQw4w9WgXcQ", "youtube:dQw4w9WgXcQ"),
            ("https://player.vimeo.com/video/76979871?h=8272103f6e", "vimeo:76979871:8272103f6e"),
            ("https://vimeo.com/76979871", "vimeo:76979871"),
            ("https://youtube.com.evil.example/watch?v=dQw4w9WgXcQ", None),
            ("javascript:alert(1)//youtube.com", None), ("https://vimeo.com/x", None), ("https://[::1", None),
            ("https://youtu.be/<script>x", None), ("https://www.youtube.com/watch?v=short", None),
        ):  # fmt: skip
            self.assertEqual(canonical(address), found, address)

    @given(st.text())
    def test_any(self, address: str) -> None:
        """Never fails."""
        canonical(f"https://youtube.com/{address}")
        canonical(address)
