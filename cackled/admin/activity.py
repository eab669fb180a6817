"""Current activity for the operator's console: problems, errors, and the busiest addresses and sites.

`cackled.admin.console` documents what each method promises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock

from cackled import logs
from cackled.admin.problem_checks import space
from cackled.admin.recent_counts import Recently
from cackled.clock import wall_time
from cackled.domain.commands import Fact, Facts, Table
from cackled.metrics import Metrics
from cackled.problems import Problems


class Happening:
    """Activity of a process that serves visitors itself: `cackled.admin.console.HappeningArea`."""

    def __init__(
        self, problems: Problems, *, addresses: Callable[[int], Mapping[str, tuple[int, float]]],
        sites: Callable[[int], Mapping[int, tuple[int, int]]], names: Callable[[int], str],
        folders: Mapping[str, Path], bus: Callable[[], Facts | None] = lambda: None,
    ) -> None:  # fmt: skip
        self._problems = problems
        self._addresses = addresses
        self._sites = sites
        self._names = names
        self._folders = folders
        self._bus = bus

    def problems(self) -> Table:
        """The problems at this moment."""
        return [{"problem": one.name, "what": one.text} for one in self._problems.now()]

    def disk(self) -> Table:
        """The folders that exist."""
        return [
            {"disk": name, "folder": str(self._folders[name]), "free_bytes": free, "size_bytes": total}
            for name, (free, total, _) in space(self._folders).items()
        ]

    def bus(self) -> Facts | None:
        """The bus's state; None without a bus."""
        return self._bus()

    def errors(self) -> Table:
        """The errors of this process."""
        now = wall_time()
        return [
            {"ago_seconds": round(max(0.0, now - when), 1), "level": level, "where": where, "text": text}
            for when, level, where, text in reversed(logs.latest)
        ]

    def addresses(self, most: int) -> Table:
        """Ranked by connections and by how much of the rate limits was used."""
        return [
            {"address": address, "connections": connections, "calls": round(calls)}
            for address, (connections, calls) in self._addresses(most).items()
        ]

    def sites(self, most: int) -> Table:
        """Ranked by reads in the last five minutes and by subscribers."""
        return [
            {"site": site, "name": self._names(site), "reads_last_5_min": reads, "subscribers": subscribers}
            for site, (reads, subscribers) in self._sites(most).items()
        ]


class Requests:
    """The public HTTP listeners: `cackled.admin.console.RequestArea`.

    Counts since the start and of the last minutes.
    """

    def __init__(self, metrics: Metrics, clock: IReactorTime | None = None) -> None:
        self._metrics = metrics
        self.recently = Recently(clock or Clock(), self._counts)

    def _counts(self) -> dict[str, float]:
        value = self._metrics.value
        counts = {f"answers_{kind}": value("http_requests_total", status=kind) for kind in ("4xx", "5xx")}
        return {**counts, "slow": value("http_slow_requests_total")}

    def requests(self) -> Facts:
        """Open connections and answers by class."""
        value = self._metrics.value
        facts: dict[str, Fact] = {
            "connections": int(value("http_connections")),
            "in_flight": int(value("http_requests_in_flight")),
            "slow": int(value("http_slow_requests_total")),
        }
        for kind in ("2xx", "3xx", "4xx", "5xx"):
            facts[f"answers_{kind}"] = int(value("http_requests_total", status=kind))
        for name, count in self.recently.rose().items():
            facts[f"{name}_last_5_min"] = int(count)
        return facts
