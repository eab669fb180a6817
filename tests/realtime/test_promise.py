"""The promise of docs/protocol.md against a model: two nodes, any transport, losses, delays and failing loads."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled import config
from cackled.events import Event, Position
from cackled.metrics import Metrics
from cackled.realtime.access import Gate
from cackled.realtime.eventsource import EventSource
from cackled.realtime.hub import Hub
from cackled.realtime.longpoll import LongPoll
from cackled.realtime.testing import ModelLog
from cackled.realtime.websocket import WebSocket
from tests.support.peers import Wire, blocks, texts

WINDOW = 6
BUFFER = 1_600
CHANNELS = (5, 6)


def data(seq: int) -> bytes:
    """What event *seq* says."""
    return b'{"n":%d,"text":"%b"}' % (seq, b"x" * 300)


class Node:
    """One process: a hub, and the events that its tail has yet to bring."""

    def __init__(self, clock: Clock, log: ModelLog) -> None:
        # So much that a few events fit at once, and the rest of a replay comes with another connection.
        settings = config.Realtime(history_events=WINDOW, presence=False, poll_wait=20.0, client_buffer=BUFFER)
        self.hub = Hub(clock=clock, random=Random(1), config=settings, load=log.load, seqs=log.seqs, metrics=Metrics())
        self.gate = Gate(self.hub, lambda site, origin, token: None)
        self.tail: list[Event] = []


class Browser:
    """A page that wants every event of its channels, and remembers where it stands in each."""

    def __init__(self, log: ModelLog, channels: tuple[int, ...], seqs: dict[int, int]) -> None:
        self.log = log
        self.seqs = seqs
        self.channels = channels
        self.kind = ""
        self.connection: Any = None
        self.wire: Any = None
        self.answers: list[bytes] = []
        self.away = False
        # Channels in which its place was given up by the server since it connected.
        self.doubted: set[int] = set()

    def connect(self, node: Node, kind: str) -> None:
        """Subscribe from where it stands."""
        self.kind = kind
        self.node = node
        self.away = False
        self.doubted = set()
        # What the log says must still be true when the window is judged: taken before.
        positions = [Position(1, channel, self.seqs[channel]) for channel in self.channels]
        if kind == "poll":
            self.answers = []
            self.connection = LongPoll(node.gate, lambda response: self.answers.append(response.body))
            self.connection.begin(positions, None)
            return
        self.wire = Wire()
        self.connection = WebSocket(node.gate, None, None) if kind == "ws" else EventSource(node.gate)
        self.connection.makeConnection(self.wire)
        if kind == "ws":
            self.connection.begin(b"", positions)
        else:
            self.connection.begin(positions, None)

    def read(self, share: float = 1.0) -> None:
        """Take what has arrived: the first *share* of it, where the connection breaks."""
        if self.connection is None:
            return
        if self.kind == "poll":
            if self.answers and share > 0.5:
                answer = json.loads(self.answers[0])
                if "events" not in answer:
                    assert self.doubted and answer["status"] == 503, "only a place in doubt is no answer"
                    self.connection = None
                    return
                self.take(answer["events"])
                assert [Position.parse(place).channel for place in answer["cursor"]] == list(self.channels)
                for place in answer["cursor"]:
                    position = Position.parse(place)
                    if position.seq >= 0:
                        assert self.seqs[position.channel] in (-1, position.seq), "the cursor is where the events end"
                        self.seqs[position.channel] = position.seq
            if self.answers:
                self.connection = None
            return
        data = self.wire.value()
        if share < 1:
            data = data[: int(len(data) * share)]
        if self.kind == "ws":
            self.wire.clear()
            self.take(texts(data))
        else:
            messages, last = blocks(data)
            self.wire.clear()
            self.take(messages)
            for place in last.split():
                position = Position.parse(place)
                if position.seq >= 0:
                    assert self.seqs[position.channel] == position.seq, "the id is where the events end"

    def take(self, messages: list[dict[str, Any]]) -> None:
        """The page's own books: nothing twice, nothing missing, nothing out of turn."""
        for message in messages:
            if "sub" not in message:
                self.away |= message["type"] == "move"
                continue
            assert not self.away, "nothing comes after move"
            channel = int(message["sub"].split("/")[1])
            seq, mine = message["seq"], self.seqs[channel]
            if message["type"] != "recovered":
                assert seq == mine + 1, f"event {seq} after {mine}"
                assert message["data"]["n"] == seq
                self.seqs[channel] = seq
            elif message["recovered"]:
                assert mine in (-1, seq), f"recovered at {seq}, stands at {mine}"
                self.seqs[channel] = seq
            else:
                assert channel in self.doubted or self.log.current(1, channel) - mine > WINDOW, "inside the window"
                assert seq > mine or channel in self.doubted
                self.seqs[channel] = seq

    def drop(self, share: float) -> None:
        """The connection breaks; some of what was sent arrives before that."""
        if self.connection is None:
            return
        self.read(share)
        connection, self.connection = self.connection, None
        if self.kind == "poll":
            if connection is not None:
                connection.abort()
        else:
            connection.connectionLost()


class Network(RuleBasedStateMachine):
    """Commits, tails that lag and repeat themselves, loads that fail or hang, and browsers that come and go."""

    @initialize(history=st.integers(0, 12))
    def begin(self, history: int) -> None:
        self.clock = Clock()
        self.log = ModelLog()
        self.prepare()
        for _ in range(history):
            self.happen(5)
        self.nodes = [Node(self.clock, self.log) for _ in range(2)]
        self.browsers: list[Browser] = []

    def prepare(self) -> None:
        """Before anything happens."""

    def happen(self, channel: int) -> Event:
        """The next event of a channel."""
        return self.log.commit(1, channel, data=data(self.log.current(1, channel) + 1))

    def browser(self, channels: tuple[int, ...], seqs: dict[int, int]) -> Browser:
        """A new page."""
        return Browser(self.log, channels, seqs)

    @rule(channel=st.sampled_from(CHANNELS), count=st.integers(1, 4))
    def write(self, channel: int, count: int) -> None:
        for _ in range(count):
            event = self.happen(channel)
            for node in self.nodes:
                node.tail.append(event)

    @rule(
        node=st.integers(0, 1), count=st.integers(1, 8), twice=st.booleans(), turn=st.integers(0, 3),
        together=st.booleans(),
    )  # fmt: skip
    def tail(self, node: int, count: int, twice: bool, turn: int, together: bool = False) -> None:
        """A node hears of events: late, perhaps twice, perhaps out of order, one by one or several at once."""
        tail = self.nodes[node].tail
        events, tail[:] = tail[:count], tail[count:]
        events = events[turn:] + events[:turn]
        hub = self.nodes[node].hub
        if together:
            hub.hold(True)
        for event in [*events, *(events if twice else ())]:
            hub.deliver(event)
        if together:
            hub.hold(False)

    @rule(node=st.integers(0, 1), count=st.integers(1, 8))
    def miss(self, node: int, count: int) -> None:
        """Events that a node never hears of: it has to notice by the numbers."""
        del self.nodes[node].tail[:count]

    @rule(node=st.integers(0, 1), some=st.sampled_from([None, (5,), (6,)]))
    def amnesia(self, node: int, some: tuple[int, ...] | None) -> None:
        """The log can't tell what happened: a node gives up what it knew, of all channels or of some."""
        for browser in self.browsers:
            browser.read()
            if browser.connection is not None and browser.node is self.nodes[node]:
                browser.doubted |= {channel for channel in browser.channels if some is None or channel in some}
        self.nodes[node].hub.reset(None if some is None else [(1, channel) for channel in some])

    @rule(which=st.integers(0, 5), node=st.integers(0, 1), share=st.floats(0, 1))
    def glitch(self, which: int, node: int, share: float) -> None:
        """A stream that breaks in the middle of what it was to catch up."""
        if which < len(self.browsers):
            self.browsers[which].drop(share)
            self.browsers[which].connect(self.nodes[node], "sse")
            self.browsers[which].drop(share)

    @rule(
        node=st.integers(0, 1),
        kind=st.sampled_from(["ws", "sse", "poll"]),
        channels=st.sampled_from([(5,), (5, 6)]),
        known=st.booleans(),
    )
    @precondition(lambda self: len(self.browsers) < 6)
    def arrive(self, node: int, kind: str, channels: tuple[int, ...], known: bool) -> None:
        """A new page; *known*: it was rendered with a position."""
        seqs = {channel: self.log.current(1, channel) if known else -1 for channel in channels}
        browser = self.browser(channels, seqs)
        self.browsers.append(browser)
        browser.connect(self.nodes[node], kind)

    @rule(which=st.integers(0, 5), share=st.floats(0, 1))
    def vanish(self, which: int, share: float) -> None:
        if which < len(self.browsers):
            self.browsers[which].drop(share)

    @rule(which=st.integers(0, 5), node=st.integers(0, 1), kind=st.sampled_from(["ws", "sse", "poll"]))
    def come_back(self, which: int, node: int, kind: str) -> None:
        """To any node, on any transport."""
        if which < len(self.browsers) and self.browsers[which].connection is None:
            self.browsers[which].connect(self.nodes[node], kind)

    @rule(failing=st.booleans(), held=st.booleans())
    def weather(self, failing: bool, held: bool) -> None:
        self.log.failing, self.log.held = failing, held

    @rule(failing=st.booleans())
    def release(self, failing: bool) -> None:
        self.log.release(failing)

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, 6.0, 150.0]))
    def wait(self, seconds: float) -> None:
        self.pump(seconds)

    def pump(self, seconds: float) -> None:
        for node in self.nodes:
            node.hub._second()
        for _ in range(6):
            self.clock.advance(seconds / 6)
        for browser in self.browsers:
            browser.read()
            if browser.away:
                browser.drop(1.0)
                browser.connect(self.nodes[0], browser.kind)

    def teardown(self) -> None:
        """Let everything come to rest: whoever is connected has everything."""
        if not hasattr(self, "nodes"):
            return
        self.log.failing = self.log.held = False
        self.log.release()
        for channel in CHANNELS:
            self.write(channel, 1)
        for number, node in enumerate(self.nodes):
            self.tail(number, len(node.tail), False, 0)
        for _ in range(8):
            self.pump(20.0)
            for browser in self.browsers:
                if browser.connection is None and browser.kind == "poll":
                    browser.connect(self.nodes[0], "poll")
        self.pump(20.0)
        for browser in self.browsers:
            if browser.connection is not None:
                for channel in browser.channels:
                    assert browser.seqs[channel] == self.log.current(1, channel), "everything has arrived"


class PromiseTests(SynchronousTestCase):
    """Inside the window every subscriber gets every event exactly once, in order."""

    def test_exactly_once_in_order(self) -> None:
        """Whatever happens: no event twice, none missing, none out of turn, and `recovered: false` only outside."""
        run_state_machine_as_test(
            Network,
            settings=settings(
                max_examples=200, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
            ),
        )
        # Failing loads are logged as warnings only.
        self.assertEqual(self.flushLoggedErrors(), [])
