"""Carries conversations of former releases over, whose keys are whole addresses, to the keys of their pages.

Former releases took the whole address of a page for its channel, so that a page had a conversation for http and one for
https, with ``www.`` and without, and one for each way a visitor came. Here those of one page become one: comments with
their answers and votes, a few threads a transaction, while everything is served. Keys that are no addresses stay. What
was begun goes on where it was: a channel is gone once all of its comments have left.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit

from msgspec import Struct

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.page_keys import MOST as LONGEST
from cackled.domain.site import Site
from cackled.events import Position
from cackled.products.comments.channels import comment_channel

SELECT_ADDRESSED = Query(
    "select_addressed_channels",
    """
    select h.id, h.key, h.url, coalesce(k.n_visible, 0)
    from channel h left join comment_channel k on k.site_id = $1 and k.channel_id = h.id
    where h.site_id = $1 and h.id > $2 and h.product = 'comments'
      and (starts_with(h.key, 'http://') or starts_with(h.key, 'https://'))
    order by h.id limit $3
    """,
    ("int", "bigint", "int"),
)
# Threads from the start of a channel: as many as have some hundred comments, and at least one.
SELECT_THREADS = Query(
    "select_threads_to_move",
    """
    with roots as (
      select id, sum(1 + n_thread) over (order by id desc) - n_thread as n from comment
      where site_id = $1 and channel_id = $2 and parent_id is null and shown order by id desc limit $3
    ), chosen as (select id from roots where n <= $3)
    select id from chosen
    union all
    select c.id from comment c join chosen on c.root_id = chosen.id
    where c.site_id = $1 and c.channel_id = $2 and c.parent_id is not null and c.shown
    """,
    ("int", "bigint", "int"),
)
# What is shown nowhere, and no index leads to: deleted, held back. Looked for once.
SELECT_HIDDEN = Query(
    "select_hidden_to_move",
    "select id, channel_id from comment where site_id = $1 and channel_id = any($2) and not shown order by id",
    ("int", "bigint[]"),
)
MOVE_COMMENTS = Query(
    "move_comments",
    "select moved, seq_from, seq_to from move_comments($1, $2, $3, $4, $5)",
    ("int", "bigint", "bigint", "text", "bigint[]"),
)
DROP_LEFT_CHANNEL = Query("drop_left_channel", "select drop_left_channel($1, $2)", ("int", "bigint"))

# Channels read at once; comments moved in a transaction, and a thread that is larger by itself.
READ = 1_000
BATCH = 300
# Pages of a report.
SHOWN = 50


class Carried(Struct, frozen=True):
    """A channel that is to go: its id and key, how many comments it shows, and whether its address was cut."""

    id: int
    key: str
    comments: int
    cut: bool


class Plan(Struct):
    """What becomes of a site's addresses: its pages, by the key they get, with the channels that each is made of.

    ``hosts`` are those of the addresses, without ``www.``; ``clashes`` the keys that pages of several hosts share.
    """

    pages: dict[str, list[Carried]]
    hosts: set[str]
    clashes: list[str]

    @property
    def channels(self) -> int:
        """How many channels go."""
        return sum(len(each) for each in self.pages.values())

    @property
    def comments(self) -> int:
        """How many comments that are shown move."""
        return sum(one.comments for each in self.pages.values() for one in each)

    @property
    def merged(self) -> int:
        """How many pages had more than one conversation."""
        return sum(len(each) > 1 for each in self.pages.values())

    @property
    def cut(self) -> int:
        """How many addresses had lost their ends, so that they are carried over by what is left of them."""
        return sum(one.cut for each in self.pages.values() for one in each)


class Carrying:
    """The conversations of one site. *site* has the rule that pages get their keys by.

    ``evict`` is told each position that a move led to; ``progress`` how many comments have moved so far.
    """

    def __init__(
        self,
        site: Site,
        database: Database,
        evict: Callable[[Position], None],
        progress: Callable[[int, int], None] = lambda moved, of: None,
    ) -> None:
        self._site = site
        self._database = database.site(site.id)
        self._evict = evict
        self._progress = progress

    async def plan(self) -> Plan:
        """Find out what there is to do; changes nothing."""
        plan = Plan({}, set(), [])
        hosts: dict[str, set[str]] = {}
        async for channel, key, url, comments in self._addressed():
            # A key of former releases was cut, and the page's address is the longer one.
            long = len(key) >= LONGEST
            whole = url if long and url.startswith(key) else key
            page = self._site.key("", whole)
            plan.pages.setdefault(page, []).append(Carried(channel, key, comments, long and whole == key))
            host = _host(whole)
            plan.hosts.add(host)
            hosts.setdefault(page, set()).add(host)
        plan.clashes = sorted(page for page, names in hosts.items() if len(names) > 1)
        return plan

    async def _addressed(self) -> AsyncIterator[tuple[int, str, str, int]]:
        last = -1
        while True:
            rows = await self._database.read(
                SELECT_ADDRESSED, self._site.id, last, READ, preference=ReadPreference.PRIMARY
            )
            for row in rows.rows:
                yield row[0], row[1], row[2], row[3]
            if len(rows.rows) < READ:
                return
            last = rows.rows[-1][0]

    async def run(self, plan: Plan) -> int:
        """Carry out the plan; gives how many comments moved, also those that are not shown.

        Raises:
            Refused: two keys meet in one id.
        """
        if self._site.settings.channel_rule == "address":
            raise ValueError("the site's channels are addresses")
        places = {one.id: page for page, each in plan.pages.items() for one in each}
        moved, most = 0, plan.comments
        for channel, page in places.items():
            # Also where it shows nothing: a page that was closed stays so.
            ids = await self._threads(channel)
            while True:
                now = await self._move(channel, page, ids)
                moved += now
                self._progress(moved, most)
                # Nothing left; or somebody else does the same.
                if not now:
                    break
                ids = await self._threads(channel)
        moved += await self._hidden(places)
        for channel in places:
            await self._database.write(DROP_LEFT_CHANNEL, self._site.id, channel)
        self._progress(moved, max(most, moved))
        return moved

    async def _threads(self, channel: int) -> list[int]:
        rows = await self._database.read(
            SELECT_THREADS, self._site.id, channel, BATCH, preference=ReadPreference.PRIMARY
        )
        return [row[0] for row in rows.rows]

    async def _hidden(self, places: dict[int, str]) -> int:
        moved, channels = 0, list(places)
        for start in range(0, len(channels), READ):
            rows = await self._database.read(
                SELECT_HIDDEN, self._site.id, channels[start : start + READ], preference=ReadPreference.PRIMARY
            )
            by_channel: dict[int, list[int]] = {}
            for comment, channel in rows.rows:
                by_channel.setdefault(channel, []).append(comment)
            for channel, ids in by_channel.items():
                for first in range(0, len(ids), BATCH):
                    moved += await self._move(channel, places[channel], ids[first : first + BATCH])
        return moved

    async def _move(self, channel: int, page: str, ids: list[int]) -> int:
        target = comment_channel(self._site, page)
        rows = await self._database.write(MOVE_COMMENTS, self._site.id, channel, target, page, ids)
        moved, seq_from, seq_to = rows[0]
        if seq_from is not None:
            self._evict(self._site.position(channel, seq_from))
            self._evict(self._site.position(target, seq_to))
        return int(moved)


def _host(address: str) -> str:
    try:
        return urlsplit(address).netloc.rpartition("@")[2].lower().removeprefix("www.")
    except ValueError:
        return ""
