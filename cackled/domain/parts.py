"""What the services of products are made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec import Struct, field

from cackled.cache.soft import SoftCache
from cackled.database.routing import Database
from cackled.domain.activity import Activity
from cackled.domain.people import Crowd
from cackled.domain.site import Site
from cackled.domain.write_batching import WriteQueues
from cackled.events import Position


class ServiceParts(Struct, frozen=True, kw_only=True):
    """The parts of a process that services use.

    ``evict`` is told each position that a write led to, before the writer is answered; ``queues`` gather writes that
    come together; ``crowd`` knows which sites have people who signed in; ``judge`` is asked what becomes of what
    somebody is about to write (`cackled.moderation.verdict`), None where everything is shown at once;
    ``activity`` says what visitors did, by product; ``moderated`` makes what moderators see of a site, by kind of item;
    ``wrote`` is told of each item that was written: site, kind, channel, state; ``signal`` tells whoever listens to a
    channel of something that nothing keeps (site, channel, type, data), on all nodes.
    """

    database: Database
    cache: SoftCache
    evict: Callable[[Position], None]
    queues: WriteQueues
    crowd: Crowd = field(default_factory=Crowd)
    judge: Callable[[Site, Any], Awaitable[Any]] | None = None
    moderated: Mapping[str, Callable[[Database, Site], Any]] = {}
    activity: Mapping[str, Activity] = {}
    wrote: Callable[[int, str, int, str], None] = lambda site, kind, channel, state: None
    signal: Callable[[int, int, str, Mapping[str, Any]], None] = lambda site, channel, type, data: None
