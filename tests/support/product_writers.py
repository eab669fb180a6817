"""Writers of reviews and of votes that try until they are told, for tests of faults."""

from __future__ import annotations

import threading
import time
from typing import Any

from tests.support.client import Visitor, call
from tests.support.journal import Writer, attempt


class ReviewWriter(Writer):
    """Writes each review as somebody else: a person has one for a page."""

    place, member = "reviews", "review"

    def __init__(self, *args: Any, tokens: list[str]) -> None:
        super().__init__(*args)
        self._tokens = tokens

    def body(self, text: str) -> dict[str, Any]:
        """With one to five stars, and the visitor of that number."""
        number = int(text.rpartition(" ")[2])
        self._token = self._tokens[number]
        return {**super().body(text), "star": number % 5 + 1}


def review_writers(case: Any, key: str, number: int, count: int) -> list[ReviewWriter]:
    """So many writers of so many reviews each, started; *case* is a `FaultCase`."""
    made = []
    for n in range(number):
        tokens = [Visitor(case.daemon.url).token for _ in range(count)]
        made.append(
            ReviewWriter(case.journal, case.daemon.url, key, f"w{n}", count, case.visitor.token, tokens=tokens)
        )
    for one in made:
        one.start()
    return made


class Voters:
    """*count* voters of the demo's first poll, by three threads: each votes for its first option, and every other one
    changes to the second. `check` compares the counts with what was acknowledged."""

    def __init__(self, url: str, count: int) -> None:
        self._url = url
        self._count = count
        self.poll = self.read()
        self.told: list[int | None] = []
        tokens = [Visitor(url).token for _ in range(count)]
        self._threads = [threading.Thread(target=self._vote, args=(tokens[n::3],), daemon=True) for n in range(3)]
        for one in self._threads:
            one.start()

    def read(self) -> Any:
        """The poll as a stranger sees it, from the primary."""
        return call(f"{self._url}/api/v1/sites/1/polls/1?readPreference=primary").json()["poll"]

    def _vote(self, tokens: list[str]) -> None:
        options = [one["id"] for one in self.poll["options"]]
        path = f"{self._url}/api/v1/sites/1/polls/{self.poll['id']}/vote"
        for number, token in enumerate(tokens):
            for choice in (options[0], options[number % 2]):
                for _ in range(600):
                    # A vote that is sent again is the same vote: it needs no key.
                    answer = attempt(path, "PUT", {"options": [choice]}, Authorization=f"Bearer {token}")
                    if answer is not None and answer.status != 503:
                        break
                    time.sleep(0.05)
                self.told.append(answer and answer.status)

    def wait(self, count: int) -> None:
        """Until so many votes were answered."""
        while len(self.told) < count and any(one.is_alive() for one in self._threads):
            time.sleep(0.02)

    def check(self, case: Any) -> None:
        """Everybody was told, and counts once, in the last thing they said."""
        for one in self._threads:
            one.join(120)
        case.assertEqual(self.told, [200] * 2 * self._count)
        after = self.read()
        was, now = ({one["id"]: one["votes"] for one in poll["options"]} for poll in (self.poll, after))
        changed = sum(len(range(n, self._count, 3)) // 2 for n in range(3))
        case.assertEqual(after["voters"] - self.poll["voters"], self._count)
        first, second = [one["id"] for one in self.poll["options"]][:2]
        case.assertEqual((now[first] - was[first], now[second] - was[second]), (self._count - changed, changed))
