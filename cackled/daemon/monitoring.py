"""The checks for `cackled.problems`, and what operators are shown of current use.

Part of the composition root, as `cackled.daemon.infrastructure` and `cackled.daemon.application`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cackled.admin import problem_checks
from cackled.admin.activity import Happening
from cackled.clock import periodics, wall_time
from cackled.cluster.mesh import Mesh
from cackled.daemon.application import Application
from cackled.daemon.infrastructure import Infrastructure
from cackled.domain.commands import Facts
from cackled.media.resource import Gallery

# A node that is silent for less is late, not away.
HEARD_SECONDS = 5.0
# After the start nobody is heard for a moment, and the bus is not connected yet.
GRACE_SECONDS = 8.0
# After so many seconds without any end, what has time limits of its own stands still.
LOADS_SECONDS = 12.0
WRITES_SECONDS = 15.0
CATALOG_SECONDS = 30.0
OUTBOX_SECONDS = 30.0
OUTBOX_WORK_SECONDS = 120.0
RESTART = "If it stays, restart the daemon and keep its log: this should not happen."


def watch(infrastructure: Infrastructure, application: Application, public: Iterable[Any] = ()) -> None:
    """Check everything that can be wrong with a node; *public* are its endpoints.

    What is wrong with a worker alone is added where it is; the database, the disk and the other nodes are the parent's.
    """
    problems, database = infrastructure.problems, application.database
    clock = infrastructure.reactor
    began = clock.seconds()

    def settled() -> bool:
        return bool(clock.seconds() - began > GRACE_SECONDS)

    # The worst first. Is there a primary? Where others reach it, nobody should be told to promote another.
    if infrastructure.seat is None:
        none = problem_checks.primaries(database)
        problems.add("no-primary", lambda: [] if infrastructure.cluster.view().astray else none())
        problems.add("two-primaries", problem_checks.rivals(database))
    problems.add("tail", problem_checks.tails(application.tails))
    problems.add("media", application.shared[Gallery].trouble)
    problems.add("bus", lambda: _bus_away(infrastructure) if settled() else "")
    _watch_progress(infrastructure, application)
    if infrastructure.seat is not None:
        return
    outbox = application.outbox
    problems.watch(
        "outbox", lambda: 1, lambda: outbox.looks, OUTBOX_SECONDS,
        f"Nobody has looked for mail and calls to be sent for {{seconds}} s. {RESTART}",
    )  # fmt: skip
    problems.watch(
        "outbox-work", lambda: outbox.under_way, lambda: outbox.ended, OUTBOX_WORK_SECONDS,
        f"{{waiting}} pieces of mail or calls are being sent and none came to an end for {{seconds}} s. {RESTART}",
    )  # fmt: skip
    webhooks = application.webhooks
    problems.watch(
        "webhooks", lambda: 1, lambda: webhooks.looks, OUTBOX_SECONDS,
        f"Nobody has looked for webhooks to be sent for {{seconds}} s. {RESTART}",
    )  # fmt: skip
    problems.add("database-server", problem_checks.servers(database))
    problems.add("draining", lambda: DRAINING if infrastructure.cluster.draining else "")
    problems.add("workers", lambda: _sentence(
        infrastructure.fitness.workers_trouble(), "The log says why they do not start."
    ))  # fmt: skip
    problems.add("disk", problem_checks.disk(folders(infrastructure)))
    ends = [one.certificates for one in public if one.certificates is not None]
    problems.add("certificate", problem_checks.certificates(
        lambda: [pair for one in ends for pair in one.days_left(wall_time())],
        "Put a new one in its place; it is read within a minute.",
    ))  # fmt: skip
    mesh, credentials = infrastructure.cluster.mesh, infrastructure.cluster.credentials
    if mesh is not None and credentials is not None:
        problems.add("isolated", lambda: _sentence(
            mesh.trouble() if settled() else "", "Look at this node's network; the others go on."
        ))  # fmt: skip
        problems.add("no-way-to-primary", lambda: _sentence(
            mesh.astray(), "Look at the network between this node and the primary's; visitors go to the others."
        ))  # fmt: skip
        problems.add("node-down", lambda: _nodes_away(infrastructure.config.node, mesh) if settled() else [])
        problems.add("mesh-certificate", problem_checks.certificates(
            lambda: credentials.days_left().items(),
            "Make another: cackled mesh issue (the authority: cackled mesh init-ca); it is read within a minute.",
        ))  # fmt: skip


def _watch_progress(infrastructure: Infrastructure, application: Application) -> None:
    """Checks of parts that can't tell by themselves that they have stopped."""
    problems, recovery, queues, reading = (
        infrastructure.problems, application.hub.recovery, application.queues, application.sites.reading
    )  # fmt: skip
    problems.watch(
        "live-updates", lambda: recovery.waiting, lambda: recovery.ended, LOADS_SECONDS,
        "{waiting} channels wait for the event log, and none of its readings came to an end for {seconds} s: who opens"
        f" their pages hears nothing new. {RESTART}",
        unfit=True,
    )  # fmt: skip
    problems.watch(
        "writes", lambda: len(queues), lambda: queues.ended, WRITES_SECONDS,
        f"{{waiting}} comments or votes wait behind others, and none was written for {{seconds}} s. {RESTART}",
        unfit=True,
    )  # fmt: skip
    problems.watch(
        "catalog", lambda: reading.held, lambda: reading.handed, CATALOG_SECONDS,
        f"The sites are being read for {{seconds}} s: changes of sites are not known here. {RESTART}",
    )  # fmt: skip
    problems.add("job", problem_checks.jobs(lambda: periodics(infrastructure.reactor)))
    problems.add("standstill", infrastructure.standstill.wrong)


DRAINING = "This node drains and gets no visitors. To have it take some again: cackled admin undrain."


def _sentence(wrong: str, advice: str) -> str:
    return f"This node: {wrong}. {advice}" if wrong else ""


def _bus_away(infrastructure: Infrastructure) -> str:
    if infrastructure.bus is None or infrastructure.bus.connected:
        return ""
    return (
        f"The bus ({_place(infrastructure)}) is away: presence, typing and limits are each process's own. Start it, or"
        " correct [redis]; nothing else is missing."
    )


def _place(infrastructure: Infrastructure) -> str:
    return infrastructure.config.redis.url.rpartition("@")[2]


def _nodes_away(own: str, mesh: Mesh) -> list[str]:
    said = []
    for name, told in mesh.states().items():
        if name == own or (told.heard is not None and told.heard < HEARD_SECONDS):
            continue
        since = "since this daemon began" if told.heard is None else f"for {told.heard:.0f} s"
        why = f" ({told.trouble})" if told.trouble else ""
        said.append(f"Node {name} is not heard {since}{why}. Start its daemon, or look at the way to it.")
    return said


def folders(infrastructure: Infrastructure) -> dict[str, Path]:
    """The folders of this node that hold data."""
    return {"state": infrastructure.state}


def _bus(infrastructure: Infrastructure) -> Facts | None:
    if infrastructure.bus is not None:
        return {"place": _place(infrastructure), "connected": infrastructure.bus.connected}
    if not infrastructure.config.workers:
        return None
    # Without a mesh the workers alone are connected, and say so.
    away = any(one.name == "bus" for one in infrastructure.problems.now())
    return {"place": _place(infrastructure), "connected": not away}


class Busiest:
    """Who uses this process most."""

    def __init__(self, infrastructure: Infrastructure, application: Application) -> None:
        self._connections = infrastructure.http.limits
        self._application = application

    def addresses(self, most: int) -> dict[str, tuple[int, float]]:
        """Addresses with the most connections, and those that called most just now: (connections, calls)."""
        connections, limits = self._connections, self._application.limits
        found = {address: (count, 0.0) for address, count in connections.busiest(most)}
        if limits is not None:
            for address, calls in limits.busiest(most):
                found[address] = (connections.of(address), calls)
        return dict(sorted(found.items(), key=lambda one: -(one[1][0] + one[1][1]))[:most])

    def sites(self, most: int) -> dict[int, tuple[int, int]]:
        """Sites that were read most in the last minutes, and those that most listen to: (reads, subscriptions)."""
        reads, listening = dict(self._application.usage.busiest(10_000)), self._application.hub.of_sites()
        found = {site: (reads.get(site, 0), listening.get(site, 0)) for site in reads.keys() | listening.keys()}
        return dict(sorted(found.items(), key=lambda one: -sum(one[1]))[:most])

    def name(self, site_id: int) -> str:
        """The name of a site, where it is known."""
        site = self._application.sites.find(site_id)
        return "" if site is None else site.name


def happening(infrastructure: Infrastructure, application: Application) -> Happening:
    """What goes on in this process."""
    bus: Callable[[], Facts | None] = lambda: _bus(infrastructure)  # noqa: E731
    busiest = Busiest(infrastructure, application)
    return Happening(
        infrastructure.problems, addresses=busiest.addresses, sites=busiest.sites, names=busiest.name,
        folders=folders(infrastructure), bus=bus,
    )  # fmt: skip
