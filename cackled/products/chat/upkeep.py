"""How chat forgets a visitor and follows one who signs in, and what keeps conversations moving and tables tidy."""

from __future__ import annotations

from typing import Any

from cackled.clock import Periodic
from cackled.database.errors import DatabaseError
from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.erasure import Erasable
from cackled.domain.housekeeping import BATCH
from cackled.domain.people import Authored
from cackled.domain.personal_data import Held
from cackled.products.chat.events import MESSAGE
from cackled.products.chat.queries import ROUTE_CHAT

# Seconds between two looks at what waits, besides those that something causes.
INTERVAL = 5.0
# Seconds between two looks at what operators were not told yet.
GATHERED = 1.0

ERASABLE = Erasable(
    steps=(Query("erase_chats", "select channel, seq from erase_chats($1, $2, $3)", ("int", "bigint", "int")),),
    channels=Query(
        "select_chats_of_visitor", "select channel_id from chat where site_id = $1 and visitor_id = $2",
        ("int", "bigint"),
    ),
    subjects=(MESSAGE,),
)  # fmt: skip
AUTHORED = Authored(
    carry=Query(
        "carry_chats", "select channel, seq from carry_chats($1, $2, $3, $4)", ("int", "bigint", "bigint", "int")
    ),
    # A name is that of the moment when something was said.
    spread=Query("spread_chats", "select null::bigint, null::bigint where $1 + $2 + $3 < 0", ("int", "bigint", "int")),
)
# What operators answered a visitor is about them.
ANSWERS = """
  select c.site_id, c.visitor_id, m.chat_id, m.id, m.seq, m.sender, m.author_name, m.text, m.created_at, m.edited_at
  from chat c join chat_message m on m.site_id = c.site_id and m.chat_id = c.id
  where m.sender in ('operator', 'bot') and m.kind = 'text' and not m.deleted
"""
HELD = (
    # Numbers of accounts and channels, and what operators sort by, are not about the visitor.
    Held(table="chat", what="their conversations with operators", until="until they are too old",
         secret=("channel_id", "key", "assignee", "guests", "passed", "offered_by", "tokens", "labels", "skills")),
    Held(table="chat_message", what="what they wrote there", until="until they are too old"),
    Held(table="chat_answer", what="what operators answered them", until="until they are too old", source=ANSWERS),
)  # fmt: skip
DROP_OLD_CHATS = Query(
    "drop_old_chats",
    f"""
    with old as (
      select c.site_id, c.id, c.channel_id from chat c
      where c.closed_at < now() - make_interval(days => c.keep_days) order by c.closed_at limit {BATCH}
    ), said as (
      delete from chat_message m using old o where m.site_id = o.site_id and m.chat_id = o.id
    ), told as (
      delete from event e using old o where e.site_id = o.site_id and e.channel_id = o.channel_id
    ), gone as (
      delete from chat c using old o where c.site_id = o.site_id and c.id = o.id returning 1
    )
    select count(*) from gone
    """,
)
LOSE_DESK = Query("lose_desk", "select site from lose_desk()")
RETURN_CHAT = Query("return_chat", "select site from return_chat()")
RETURN_OFFER = Query("return_offer", "select site from return_offer()")
MAIL_ANSWERS = Query("mail_answers", "select site from mail_answers()")
GATHER_CHATS = Query("gather_chats", "select site from gather_chats()")
WAKE_CHATS = Query("wake_chats", "select 1 from wake_chats() n where n > 0")
# Of each of them at one look.
MOST_AT_ONCE = 500
SELECT_WAITING_SITES = Query(
    "select_waiting_sites", "select distinct site_id from chat where state = 'waiting' limit 1000"
)
JOBS = (DROP_OLD_CHATS,)


class Gathering:
    """Tells operators every second of what was too much to be told at once."""

    def __init__(self, database: Database, clock: Any) -> None:
        self._database = database
        self._job = Periodic(clock, GATHERED, self.run, "chat news")

    def start(self) -> None:
        """Begin."""
        self._job.start()

    def stop(self) -> None:
        """No more."""
        self._job.stop()

    async def run(self) -> None:
        """Tell what there is, each site once."""
        try:
            for part in self._database.parts:
                for _ in range(MOST_AT_ONCE):
                    if not await part.system.write(GATHER_CHATS):
                        break
        except DatabaseError:
            # It stays noted.
            return


class Routing:
    """Looks every few seconds for operators who are gone, conversations that are due, and what waits for a free one."""

    def __init__(self, database: Database, clock: Any) -> None:
        self._database = database
        self._job = Periodic(clock, INTERVAL, self.run, "chat routing")

    def start(self) -> None:
        """Begin."""
        self._job.start()

    def stop(self) -> None:
        """No more."""
        self._job.stop()

    async def run(self) -> None:
        """Look once."""
        try:
            for part in self._database.parts:
                # Each change is a transaction of its own: together they would lock channels of many conversations.
                for query in (LOSE_DESK, RETURN_CHAT, RETURN_OFFER, WAKE_CHATS, MAIL_ANSWERS):
                    for _ in range(MOST_AT_ONCE):
                        if not await part.system.write(query):
                            break
                sites = await part.system.read(SELECT_WAITING_SITES, preference=ReadPreference.PRIMARY)
                for (site,) in sites.rows:
                    while await self._database.site(site).write(ROUTE_CHAT, site):
                        pass
        except DatabaseError:
            # It is noted elsewhere that the database is away; the next look comes soon.
            return
