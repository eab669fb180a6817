"""What is wrong in this process now, in words: one list for readiness, figures, the log and ``status``.

Base layer: imports Twisted's interfaces, msgspec, metrics, clock. Each part says of itself what is wrong; nobody has to
know the parts to ask. A part that stands still says nothing by itself, so it is watched: something waits, and what
should come to an end does not (`Problems.watch`).
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
# A sentence for an operator; more is cut off.
LONGEST = 500


class Problem(Struct, frozen=True):
    """Something that is wrong.

    ``name`` is for machines and stays the same (lower case, hyphens); ``text`` says in a sentence or two what is wrong
    and what to do, without secrets; ``unfit``: this node should get no more visitors while it lasts.
    """

    name: str
    text: str
    unfit: bool = False


# What is wrong just now: nothing ("" or an empty list), a sentence, or several.
Look = Callable[[], "str | Iterable[str]"]


class Problems:
    """Everything that can be wrong, by name, and what is.

    Looked at once a second: what begins and what ends is logged, ``cackled_problem{kind}`` is 1 while it lasts.
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
        """Look every second."""
        self._job.start()

    def stop(self) -> None:
        """Look no more."""
        self._job.stop()

    def add(self, name: str, look: Look, *, unfit: bool = False) -> None:
        """Ask *look* for what is wrong under *name*; it is asked every second and must be cheap."""
        self._looks[name] = (look, unfit)
        self._gauge.labels(name).set(0)

    def watch(
        self, name: str, waiting: Callable[[], int], ended: Callable[[], int], seconds: float, text: str,
        *, unfit: bool = False,
    ) -> None:  # fmt: skip
        """Wrong when *waiting* things wait and the count of *ended* ones does not change for *seconds*.

        ``{waiting}`` and ``{seconds}`` (since when) in *text* are filled in.
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
        """Count in what others say of themselves (worker processes)."""
        self._more.append(more)

    def now(self) -> list[Problem]:
        """What is wrong, in the order in which it was added."""
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
        """Why this node should get no visitors; empty where it may."""
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
