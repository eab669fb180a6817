"""Whether this node alone has lost the primary: what it reaches itself beside what the others say they reach.

Where nobody reaches a primary there is none, and every node goes on serving what can be read. Where others do,
visitors are better off with them: this one takes no writes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

# Seconds that a difference must last: nodes notice a promotion one after the other.
PATIENCE = 3.0

log = Logger()


class Reach:
    """``trouble`` says what is wrong; "" if nothing is."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._since: float | None = None
        self.trouble = ""

    def compare(self, mine: Collection[int] | None, others: Mapping[str, Collection[int]]) -> bool:
        """Look again: *mine* are the shards whose primary is reached from here (None: it is not known yet), *others*
        those that nodes which are fit to serve reach. True where `trouble` came or went.
        """
        able = {} if mine is None else {name: set(theirs) - set(mine) for name, theirs in others.items()}
        able = {name: more for name, more in able.items() if more}
        before, now = bool(self.trouble), self._clock.seconds()
        if not able:
            self._since = None
            self.trouble = ""
        else:
            if self._since is None:
                self._since = now
            if now - self._since >= PATIENCE:
                shards = sorted(set().union(*able.values()))
                which = "the primary" if shards == [0] else f"the primaries of shards {', '.join(map(str, shards))}"
                self.trouble = f"can't reach {which}, and {', '.join(sorted(able))} can"
        if bool(self.trouble) == before:
            return False
        if self.trouble:
            log.error("this node {trouble}: it is left out until it does", trouble=self.trouble)
        else:
            log.info("this node reaches every primary that others reach")
        return True
