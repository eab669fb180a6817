"""Whether this node can serve: named checks, run at most once a second."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from cackled.metrics import Metrics

log = Logger()

# A check passes by returning and fails by raising.
Check = Callable[[], Awaitable[object]]


class NotReady(Exception):
    """Raised by a check; the message says what is missing and holds no secrets."""


class Readiness(Struct, frozen=True):
    """The outcome of all checks: for each name ``ok`` or what is wrong."""

    ready: bool
    checks: dict[str, str]


class Health:
    """Runs the checks concurrently and caches the outcome for a second, so that frequent requests cost little.

    Args:
        max_age: seconds for which an outcome is reused.
        timeout: seconds after which a check counts as failed. It is not cancelled.
    """

    def __init__(
        self,
        checks: Mapping[str, Check],
        clock: IReactorTime,
        metrics: Metrics,
        *,
        max_age: float = 1.0,
        timeout: float = 2.0,
    ) -> None:
        self._checks = dict(checks)
        self._clock = clock
        self._max_age = max_age
        self._timeout = timeout
        self._last: tuple[float, Readiness] | None = None
        self._told: bool | None = None
        self._waiting: list[Deferred[Readiness]] | None = None
        self._ready = metrics.gauge("ready", "Whether this node is fit to serve, when it was last asked.")
        self._failed = metrics.counter("ready_failures", "Failed readiness checks.", ["check"])

    async def look(self) -> Readiness:
        """The outcome, at most `max_age` seconds old. Never raises."""
        if self._last is not None and self._clock.seconds() - self._last[0] < self._max_age:
            return self._last[1]
        if self._waiting is not None:
            mine: Deferred[Readiness] = Deferred()
            self._waiting.append(mine)
            return await mine
        self._waiting = []
        running = {name: self._run(check) for name, check in self._checks.items()}
        outcomes = {name: await outcome for name, outcome in running.items()}
        for name, outcome in outcomes.items():
            if outcome != "ok":
                self._failed.labels(name).inc()
        found = Readiness(all(outcome == "ok" for outcome in outcomes.values()), outcomes)
        if self._told != found.ready:
            self._told = found.ready
            wrong = {name: outcome for name, outcome in outcomes.items() if outcome != "ok"}
            if found.ready:
                log.info("ready", ready=True)
            else:
                log.warn("not ready: {wrong}", ready=False, wrong="; ".join(f"{one}: {wrong[one]}" for one in wrong))
        self._last = (self._clock.seconds(), found)
        self._ready.set(found.ready)
        waiting, self._waiting = self._waiting, None
        for one in waiting:
            one.callback(found)
        return found

    def forget(self) -> None:
        """Discard the cached outcome, because something is known to have changed (a drain begins)."""
        self._last = None

    def _run(self, check: Check) -> Deferred[str]:
        outcome: Deferred[str] = Deferred()
        late = self._clock.callLater(self._timeout, outcome.callback, f"no answer for {self._timeout:g} s")

        def settle(result: object) -> None:
            if late.active():
                late.cancel()
                outcome.callback(_reason(result) if isinstance(result, Failure) else "ok")

        async def call() -> object:
            return await check()

        Deferred.fromCoroutine(call()).addBoth(settle)
        return outcome


def _reason(failure: Failure) -> str:
    # Only our own messages are shown: the message of any other error may quote a connection string.
    if failure.check(NotReady):
        return " ".join(str(failure.value).split())[:200] or "not ready"
    return type(failure.value).__name__
