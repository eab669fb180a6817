"""What is wrong in this process now, in words: one list for readiness, metrics, the log and ``status``.

Each part of the daemon registers a function that tells what is wrong with it. A part that is stuck can't tell, so it is
watched from outside: it is stuck when work waits and no work ends (`Problems.watch`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from cackled.clock import Periodic
from cackled.metrics import Metrics

log = Logger()

INTERVAL = 1.0
# Characters of one text for operators; longer ones are cut.
LONGEST = 500


class Problem(Struct, frozen=True):
    """Something that is wrong.

    ``name`` is for programs and never changes (lower case, hyphens). ``text`` says in a sentence or two what is wrong
    and what to do, without secrets. ``unfit``: this node should get no visitors while the problem lasts.
    """

    name: str
    text: str
    unfit: bool = False


# Gives what is wrong now: one sentence, several, or nothing ("" or an empty list).
Look = Callable[[], "str | Iterable[str]"]


class Problems:
    """All problems that can occur, by name, and those that there are now.

    All are checked once a second. The begin and the end of a problem are logged, and the metric
    ``cackled_problem{kind}`` is 1 while it lasts.
    """

    def __init__(self, clock: IReactorTime, metrics: Metrics) -> None:
        self._clock = clock
        self._looks: dict[str, tuple[Look, bool]] = {}
        self._more: list[Callable[[], Iterable[Problem]]] = []
        self._last: dict[str, str] = {}
        self._broken: set[str] = set()
        self._gauge = metrics.gauge("problem", "Whether something is wrong now (see status).", ["kind"])
        self._job = Periodic(clock, INTERVAL, self._check, "problems")

    def start(self) -> None:
        """Begin to check every second."""
        self._job.start()

    def stop(self) -> None:
        """Stop checking."""
        self._job.stop()

    def add(self, name: str, look: Look, *, unfit: bool = False) -> None:
        """Register *look*, which gives what is wrong under *name*. It is called every second and must be cheap."""
        self._looks[name] = (look, unfit)
        self._gauge.labels(name).set(0)

    def watch(
        self, name: str, waiting: Callable[[], int], ended: Callable[[], int], seconds: float, text: str,
        *, unfit: bool = False,
    ) -> None:  # fmt: skip
        """A problem when *waiting* gives more than 0 and the count that *ended* gives does not change for *seconds*.

        In *text*, ``{waiting}`` and ``{seconds}`` (for how long it has lasted) are filled in.
        """
        stands: list[float | int] = [-1, 0.0]

        def look() -> str:
            now, count, number = self._clock.seconds(), ended(), waiting()
            if not number or count != stands[0]:
                stands[:] = [count, now]
                return ""
            still = now - stands[1]
            return text.format(waiting=number, seconds=round(still)) if still >= seconds else ""

        self.add(name, look, unfit=unfit)

    def include(self, more: Callable[[], Iterable[Problem]]) -> None:
        """Include problems that *more* gives: those that worker processes report."""
        self._more.append(more)

    def now(self) -> list[Problem]:
        """The problems that there are now, in the order in which they were registered."""
        found: list[Problem] = []
        for name, (look, unfit) in self._looks.items():
            try:
                said = look()
            except Exception as error:
                said = f"Whether anything is wrong can't be seen: {type(error).__name__}."
                if name not in self._broken:
                    self._broken.add(name)
                    log.failure("the look for {name} broke", name=name)
            texts = [said] if isinstance(said, str) else said
            found += [Problem(name, text[:LONGEST], unfit) for text in texts if text]
        for more in self._more:
            found += more()
        return found

    def unfit(self) -> str:
        """Why this node should get no visitors; empty if it may have them."""
        return " ".join(problem.text for problem in self.now() if problem.unfit)

    def _check(self) -> None:
        found = self.now()
        now: dict[str, str] = {}
        for problem in found:
            now.setdefault(problem.name, problem.text)
        for name in now.keys() - self._last.keys():
            log.error("problem {name}: {text}", name=name, text=now[name])
        for name in self._last.keys() - now.keys():
            log.info("problem {name} is over", name=name)
        for name in self._looks.keys() | now.keys() | self._last.keys():
            self._gauge.labels(name).set(name in now)
        self._last = now
