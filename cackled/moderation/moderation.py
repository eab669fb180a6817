"""What a process has once for judging: the store of rules and filters, the judge, dry runs, and the trainer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.interfaces import IReactorTime

from cackled.database.routing import Database
from cackled.domain.sites import SiteDirectory
from cackled.metrics import Metrics
from cackled.moderation.challenge import Challenges, Random
from cackled.moderation.dry_run import DryRuns
from cackled.moderation.hooks import Ask, Hooks
from cackled.moderation.judge import Judge
from cackled.moderation.judged import Judged
from cackled.moderation.statistics import Counting, Readers
from cackled.moderation.store import RuleStore
from cackled.moderation.trainer import Trainer


class Moderation:
    """The parts, made of one another."""

    def __init__(
        self,
        database: Database,
        sites: SiteDirectory,
        clock: IReactorTime,
        wall_time: Callable[[], float],
        random: Random,
        kinds: Sequence[Judged],
        metrics: Metrics | None = None,
        ask: Ask | None = None,
        readers: Readers = tuple,
    ) -> None:
        self.clock = clock
        self.database = database
        self.wall_time = wall_time
        self.store = RuleStore(database, clock)
        self.counting = Counting(database, clock, wall_time, readers)
        self.dry_runs = DryRuns(database, clock, kinds)
        self.trainer = Trainer(database, clock, kinds)
        hooks = None if ask is None or metrics is None else Hooks(ask, wall_time, metrics)
        challenges = Challenges(sites.secret, database, wall_time, random)
        self.judging = Judge(self.store, database, clock, wall_time, kinds, challenges, hooks)
        # What services are made with.
        self.judge: Any = self.judging.judge

    def start(self, *, alone: bool) -> None:
        """Follow changed rules; *alone*: and do what a node does once, whatever its number of workers."""
        self.store.start()
        self.counting.start()
        if alone:
            self.trainer.start()

    async def stop(self) -> None:
        """No more; what was counted is kept."""
        self.store.stop()
        self.trainer.stop()
        await self.counting.stop()
