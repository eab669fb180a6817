"""Tests of `cackled.realtime.access`."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.test.requesthelper import DummyRequest

from cackled.events import Position
from cackled.realtime.access import Gate, QueryError, Refusal, origin_of, read_query
from tests.realtime.common import HubRig


class QueryTests(SynchronousTestCase):
    """What a request asks for."""

    def test_all(self) -> None:
        """Positions, token and wait."""
        query = read_query({b"sub": [b"1/5@3", b"1/6"], b"token": [b"abc"], b"wait": [b"2.5"]}, 100)
        self.assertEqual(query.positions, (Position(1, 5, 3), Position(1, 6, -1)))
        self.assertEqual((query.tokens, query.wait), (("abc",), 2.5))
        self.assertEqual(read_query({b"token": [b"a", b"", b"b"]}, 100).tokens, ("a", "b"))

    def test_last_event_id(self) -> None:
        """Wins over `sub`, in the header or the query; unknown channels and positions without number are ignored."""
        args = {b"sub": [b"1/5@3", b"1/6@9"]}
        query = read_query(args, 100, last_event_id=b"1/5@7 1/6 1/8@1")
        self.assertEqual(query.positions, (Position(1, 5, 7), Position(1, 6, 9)))
        query = read_query({**args, b"lastEventId": [b"1/6@10"]}, 100)
        self.assertEqual(query.positions, (Position(1, 5, 3), Position(1, 6, 10)))

    def test_refused(self) -> None:
        """Malformed, doubled and too many, each with the field's name."""
        for field, args in (
            ("sub", {b"sub": [b"x"]}), ("sub", {b"sub": [b"1/5@-1"]}), ("sub", {b"sub": [b"1/5", b"1/5@3"]}),
            ("sub", {b"sub": [b"\xff"]}), ("sub", {b"sub": [b"1/%d" % n for n in range(4)]}),
            ("lastEventId", {b"lastEventId": [b"1/5@3  1/6"]}), ("lastEventId", {b"lastEventId": [b"1/5", b"1/6"]}),
            ("lastEventId", {b"lastEventId": [b"1/1 1/2 1/3 1/4"]}), ("token", {b"token": [b"a"] * 17}),
            ("token", {b"token": [b"x" * 2_049]}), ("wait", {b"wait": [b"-1"]}), ("wait", {b"wait": [b"nan"]}),
            ("wait", {b"wait": [b"1e9"]}), ("sub", {b"sub": ["\u0661/5".encode()]}),
        ):  # fmt: skip
            error = self.assertRaises(QueryError, read_query, args, 3)
            self.assertEqual(error.field, field, args)

    def test_origin(self) -> None:
        """One printable header, or none."""
        request = DummyRequest([b""])
        self.assertIsNone(origin_of(request))
        for good in (b"https://a.example", b"null"):
            request.requestHeaders.setRawHeaders(b"origin", [good])
            self.assertEqual(origin_of(request), good.decode())
        for bad in ([b"https://a", b"https://b"], [b"a\xff"], [b"x" * 301]):
            request.requestHeaders.setRawHeaders(b"origin", bad)
            self.assertRaises(QueryError, origin_of, request)


class GateTests(SynchronousTestCase):
    """The question to the rig."""

    def test_every_channel_is_asked_for(self) -> None:
        """The first refusal counts; whatever comes at once is answered at once."""
        asked: list[tuple[Any, ...]] = []

        def authorize(*question: Any) -> Refusal | None:
            asked.append(question)
            return Refusal(404, "site") if question[0] == 3 else None

        gate = Gate(HubRig().hub, authorize)
        self.assertIsNone(gate.ask_all([Position(1, 5), Position(1, 6)], "o", ("t",)))
        self.assertEqual(gate.ask_all([Position(1, 5), Position(3, 5), Position(4, 5)], "o", ()), Refusal(404, "site"))
        self.assertEqual(
            asked, [(1, 5, "o", ("t",)), (1, 6, "o", ("t",)), (1, 5, "o", ()), (3, 5, "o", ())]
        )

    def test_names(self) -> None:
        """Who has a token may have a name."""
        gate = Gate(HubRig().hub, lambda *_: None, lambda site, channel, tokens: f"{site}/{channel} {tokens[0]}")
        self.assertEqual(gate.name(Position(1, 5), ("Ann",)), "1/5 Ann")
        self.assertEqual(gate.name(Position(1, 5), ()), "")
        self.assertEqual(Gate(HubRig().hub, lambda *_: None).name(Position(1, 5), ("Ann",)), "")

    def test_many_slow_answers(self) -> None:
        """Ten thousand places that are each asked for in turn: one question after the other, not inside it."""
        rig, asked = HubRig(), list[Deferred[Refusal | None]]()

        def authorize(*question: Any) -> Deferred[Refusal | None]:
            answer: Deferred[Refusal | None] = Deferred()
            if asked:
                answer.callback(None)
            asked.append(answer)
            return answer

        places = [Position(1, channel, -1) for channel in range(1, 10_001)]
        answer = Gate(rig.hub, authorize).ask_all(places, None, ())
        assert isinstance(answer, Deferred)
        self.assertNoResult(answer)
        asked[0].callback(None)
        self.assertIsNone(self.successResultOf(answer))
        self.assertEqual(len(asked), 10_000)

    def test_slow_answers(self) -> None:
        """Coroutines and Deferreds are waited for, one site after the other."""
        waiting: dict[int, Deferred[Refusal | None]] = {1: Deferred(), 2: Deferred()}

        async def authorize(site: int, *rest: Any) -> Refusal | None:
            return await waiting[site]

        gate = Gate(HubRig().hub, authorize)
        answer = gate.ask_all([Position(1, 5), Position(2, 5)], None, ())
        assert isinstance(answer, Deferred)
        waiting[1].callback(None)
        self.assertNoResult(answer)
        waiting[2].callback(Refusal(403, "origin"))
        self.assertEqual(self.successResultOf(answer), Refusal(403, "origin"))
