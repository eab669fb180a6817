"""The promise for pages of products: whoever follows one has in the end what somebody sees who opens it anew."""

from __future__ import annotations

from copy import deepcopy
from random import Random
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from cackled.events import Event
from cackled.products import PRODUCTS
from cackled.realtime.testing import ModelLog
from tests.realtime.page_models import PollPage, ReviewPage
from tests.realtime.test_promise import CHANNELS, Browser, Network

Pages = dict[int, Any]


class Reader(Browser):
    """A page that shows what it read, and what events made of that."""

    def __init__(self, log: ModelLog, channels: tuple[int, ...], seqs: dict[int, int], pages: Pages) -> None:
        super().__init__(log, channels, seqs)
        self.pages = pages
        self.states: dict[int, dict[str, Any]] = {}
        # Up to which event each was read.
        self.read_at: dict[int, int] = {}
        for channel, seq in seqs.items():
            if seq >= 0:
                self.look(channel)

    def look(self, channel: int) -> None:
        """Read it, as it is by now."""
        self.states[channel] = deepcopy(self.pages[channel].state)
        self.read_at[channel] = self.log.current(1, channel)

    def take(self, messages: list[dict[str, Any]]) -> None:
        """Keep the books, and follow what happened."""
        super().take(messages)
        for message in messages:
            if "sub" not in message:
                continue
            channel = int(message["sub"].split("/")[1])
            if message["type"] == "recovered":
                if not message["recovered"] or channel not in self.states:
                    self.look(channel)
            elif channel in self.states and message["seq"] > self.read_at[channel]:
                told = {name: value for name, value in message["data"].items() if name not in ("n", "text")}
                if not self.pages[channel].follow(self.states[channel], message["type"], told):
                    self.look(channel)


class ProductNetwork(Network):
    """A page of reviews and a poll on two nodes."""

    def prepare(self) -> None:
        """Their first state; what happens to them is the same in each run of the same rules."""
        random = Random(20270501)
        self.pages: Pages = {CHANNELS[0]: ReviewPage(random), CHANNELS[1]: PollPage(random)}

    def happen(self, channel: int) -> Event:
        """The next event of a page."""
        seq = self.log.current(1, channel) + 1
        kind, told = self.pages[channel].happen(seq)
        made = msgspec.json.encode({"n": seq, "text": "x" * 200, **told})
        return self.log.commit(1, channel, kind, made)

    def browser(self, channels: tuple[int, ...], seqs: dict[int, int]) -> Browser:
        """A new reader."""
        return Reader(self.log, channels, seqs, self.pages)

    def teardown(self) -> None:
        """Whoever is connected sees what is there."""
        super().teardown()
        if not hasattr(self, "nodes"):
            return
        for browser in self.browsers:
            assert isinstance(browser, Reader)
            if browser.connection is None:
                continue
            for channel in browser.channels:
                if channel in browser.states:
                    assert browser.states[channel] == self.pages[channel].state, "what is seen is what is there"


class ProductPromiseTests(SynchronousTestCase):
    """Reviews and polls."""

    def test_models_know_all_events(self) -> None:
        """The models' histories have every event that the products declare."""
        for made in (ReviewPage, PollPage):
            declared = {one.type for product in PRODUCTS if product.name == made.product for one in product.events}
            found: set[str] = set()
            for seed in range(5):
                page: Any = made(Random(seed))
                found |= {page.happen(seq)[0] for seq in range(1, 60)}
            self.assertEqual(found, declared)

    def test_seen_is_there(self) -> None:
        """Whatever is lost, late, twice or out of turn: in the end each page shows what a new one would."""
        run_state_machine_as_test(
            ProductNetwork,
            settings=settings(
                max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
            ),
        )
        self.assertEqual(self.flushLoggedErrors(), [])
