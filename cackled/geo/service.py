"""Keeps the geo index: loads it, rebuilds it when an MMDB file is replaced, and uses the new one after it was checked.

MMDB files must be replaced by rename, because the builder reads them through a memory map.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure

from cackled.clock import Periodic
from cackled.config import Geo, Node
from cackled.metrics import Metrics

from .build import Job, encode_job, stamp
from .index import DamagedIndex, Index, Source, load, read_header
from .nearest import Order, Places

log = Logger()

POLL_SECONDS = 30.0
BUILD_SECONDS = 600.0
_OUTPUT = 4096


class BuildFailed(Exception):
    """The builder failed; the message is its one line."""


class Builder(ProcessProtocol):
    """The builder process; ``done`` fires when it is gone."""

    def __init__(self, job: bytes) -> None:
        self._job = job
        self._said = b""
        self.done: Deferred[None] = Deferred(self._cancelled)

    def connectionMade(self) -> None:
        """Send the job."""
        self.transport.write(self._job)  # type: ignore[union-attr]
        self.transport.closeStdin()  # type: ignore[union-attr]

    def errReceived(self, data: bytes) -> None:
        """Keep its error output, up to a limit."""
        self._said = (self._said + data)[-_OUTPUT:]

    def processEnded(self, reason: Failure) -> None:
        """Fire ``done`` with the outcome."""
        if self.done.called:
            return
        if reason.check(ProcessDone):
            self.done.callback(None)
        else:
            lines = self._said.decode("utf-8", "replace").strip().splitlines()
            self.done.errback(BuildFailed(lines[-1] if lines else reason.getErrorMessage()))

    def kill(self) -> None:
        """Kill the process."""
        try:
            self.transport.signalProcess("KILL")  # type: ignore[union-attr]
        except (ProcessExitedAlready, AttributeError):
            pass

    def _cancelled(self, done: Deferred[None]) -> None:
        self.kill()
        done.errback(BuildFailed("the build was stopped, or took too long"))


class GeoService:
    """The geo index of this process.

    ``index`` can be used from the first moment: until one is loaded, all clients are in one class. Functions
    given to `watch` are called with each new index. If anything is wrong with a file, the index in use is kept.

    Args:
        state: the directory that keeps the built index over restarts.
    """

    def __init__(
        self, reactor: Any, settings: Geo, nodes: Sequence[Node], state: str | Path, clock: Any, metrics: Metrics
    ) -> None:
        self._reactor = reactor
        self._clock = clock
        self._job = Job(settings, tuple(nodes))
        self._path = Path(state) / "geo.gix"
        places = Places(self._job.nodes)
        # If all nodes are in one place, the databases can't change any answer.
        self.wanted = bool(settings.files) and not places.single
        self.index = Index.single(places.unknown)
        self._watchers: list[Callable[[Index], None]] = []
        self._tried: tuple[Source, ...] | None = None
        self._stopped = False
        self._builder: Builder | None = None
        self._poll = Periodic(clock, POLL_SECONDS, self.check, "geo index")
        self._failures = metrics.counter("geo_build_failures", "Geo databases that could not be used.")
        self._broken = metrics.gauge("geo_broken", "1 while the newest geo database is unusable and an older serves.")
        self._blocks = metrics.gauge("geo_blocks", "Blocks of addresses in the geo index.")
        self._built = metrics.gauge("geo_database_timestamp_seconds", "Modification time of the newest database used.")

    def change(self, nodes: Sequence[Node]) -> None:
        """Set the nodes. The present index is used until one is built for them."""
        old, self._job = self._job.nodes, Job(self._job.geo, tuple(nodes))
        if self._job.nodes == old:
            return
        places = Places(self._job.nodes)
        self.wanted = bool(self._job.geo.files) and not places.single
        self._tried = None
        if self._builder is not None:
            # This build is for the old nodes; `check` begins a new one.
            self._builder.done.cancel()
        if self.wanted:
            self._clock.callLater(0, self._again)
            return
        self._poll.stop()
        self._broken.set(0)
        self.index = Index.single(places.unknown)
        for changed in self._watchers:
            changed(self.index)

    def _again(self) -> None:
        if self._stopped:
            return
        self.start()
        Deferred.fromCoroutine(self.check())

    def watch(self, changed: Callable[[Index], None]) -> None:
        """Call *changed* with every index that replaces the present one."""
        self._watchers.append(changed)

    def start(self) -> None:
        """Load the index built before, and check the files now and then regularly."""
        if not self.wanted:
            return
        try:
            self._take(self._read())
        except DamagedIndex as error:
            log.info("no geo index from before: {error}", error=str(error))
        self._poll.start(now=True)

    def stop(self) -> None:
        """Stop checking. A build under way is killed."""
        self._stopped = True
        self._poll.stop()
        if self._builder is not None:
            self._builder.done.cancel()

    def lookup_text(self, address: str) -> tuple[int, int, Order]:
        """Class, scope and order of nodes for an address: for operators.

        Raises:
            ValueError: it is no address.
        """
        return self.index.lookup_text(address)

    async def check(self, *, force: bool = False) -> bool:
        """Build and use a new index if a file has changed since the last. Returns whether there is a new one.

        A file that failed is tried again when it changes, or with *force*.
        """
        if not self.wanted or self._stopped or self._builder is not None:
            return False
        try:
            now = stamp(self._job.geo.files)
        except OSError as error:
            if self._tried != ():
                self._tried = ()
                self._failed(f"{error.filename}: {error.strerror}")
            return False
        if not force and (now == self._tried or self._fresh(now)):
            return False
        self._tried = now
        job = self._job
        try:
            await self._build()
            # Reading and its checksum take some ten milliseconds, most of it without the interpreter's lock.
            pool = self._reactor.getThreadPool()
            index = await deferToThreadPool(self._reactor, pool, self._read)
        except (BuildFailed, DamagedIndex) as error:
            if self._job is job and not self._stopped:
                self._failed(str(error))
                return False
        if self._job is not job:
            # The nodes have changed during the build.
            return await self.check()
        if not self._stopped:
            self._take(index)
        return not self._stopped

    def _fresh(self, now: tuple[Source, ...]) -> bool:
        header = self.index.header
        return (
            header is not None
            and header.settings == self._job.settings
            and [(s.path, s.size, s.mtime_ns) for s in header.sources] == [(s.path, s.size, s.mtime_ns) for s in now]
        )

    def _failed(self, why: str) -> None:
        self._failures.inc()
        self._broken.set(1)
        log.error("geo index not renewed, the one before stays: {why}", why=why)

    async def _build(self) -> None:
        builder = Builder(encode_job(self._job.geo, self._job.nodes))
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part)}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._reactor.spawnProcess(
                builder, sys.executable, [sys.executable, "-m", "cackled.geo.build", str(self._path)], env=env
            )
        except OSError as error:
            raise BuildFailed(f"no index can be built: {error.strerror or error}") from None
        self._builder = builder
        timeout = self._clock.callLater(BUILD_SECONDS, builder.done.cancel)
        try:
            await builder.done
        except CancelledError:
            raise BuildFailed("the build was stopped") from None
        finally:
            self._builder = None
            if timeout.active():
                timeout.cancel()

    def _read(self) -> Index:
        if read_header(self._path).settings != self._job.settings:
            raise DamagedIndex(f"{self._path}: made for other nodes or fields")
        return load(self._path)

    def _take(self, index: Index) -> None:
        header = index.header
        assert header is not None
        self.index = index
        self._broken.set(0)
        self._blocks.set(header.blocks4 + header.blocks6)
        self._built.set(max(source.mtime_ns for source in header.sources) / 1e9)
        for changed in self._watchers:
            changed(index)
        log.info(
            "geo index in use: {blocks} blocks, {classes} classes",
            blocks=header.blocks4 + header.blocks6,
            classes=len(header.classes),
        )


