"""The demo's conversations: one that waits for an operator, and one that was left while nobody was there.

They are begun by the same service as everybody's; only their times are put back afterwards.
"""

from __future__ import annotations

import random

from msgspec import Struct

from cackled.database.query import Query, ReadPreference
from cackled.domain.errors import Refused
from cackled.domain.parts import ServiceParts
from cackled.domain.site import Site
from cackled.products.chat.answers import PageBody, StartBody
from cackled.products.chat.forms import Setup
from cackled.products.chat.service import ONLINE, PRODUCT_NAME, Chats

_RANDOM = random.SystemRandom()
NOBODY = 0

AGE_CHAT = Query(
    "age_chat",
    """
    with said as (
      update chat_message set created_at = now() - make_interval(mins => $3) where site_id = $1 and chat_id = $2
    )
    update chat set created_at = now() - make_interval(mins => $3), modified_at = now() - make_interval(mins => $3),
      waiting_since = waiting_since - make_interval(mins => $3)
    where site_id = $1 and id = $2
    """,
    ("int", "bigint", "int"),
)
COUNT_THERE = Query(
    "count_demo_chats", "select 1 from chat where site_id = $1 and visitor_id = $2 limit 1", ("int", "bigint")
)


class Line(Struct, frozen=True, kw_only=True):
    """One conversation of the demo: who began it, minutes ago, with what; ``there``: whether somebody was."""

    name: str
    minutes: int
    text: str
    mail: str = ""
    there: int = ONLINE
    page: str = ""


CHATS = (
    Line(
        name="Marta", minutes=6, page="The shop around the corner",
        text="Hello! We are thirty-one neighbours. Does the long table fit through a door of 80 cm?",
    ),
    Line(
        name="bengt", minutes=190, mail="bengt@example.org", there=NOBODY, page="The three-litre kettle",
        text="Do you have the kettle in a size for two people? No hurry.",
    ),
)  # fmt: skip


async def fill(parts: ServiceParts, site: Site) -> None:
    """Begin the demo's conversations where they are missing."""
    database, chats = parts.database.site(site.id), Chats(parts, site)
    if not chats.settings.enabled:
        return
    for line in CHATS:
        visitor = site.channel(PRODUCT_NAME, f"demo visitor {line.name}")
        if (await database.read(COUNT_THERE, site.id, visitor, preference=ReadPreference.PRIMARY)).rows:
            continue
        body = StartBody(
            key="demo", text=line.text, name=line.name, mail=line.mail, language="en", consent=True,
            page=PageBody("http://localhost/demo/chat", line.page),
        )  # fmt: skip
        number, channel = _RANDOM.getrandbits(62) | 1, _RANDOM.getrandbits(62) | 1
        try:
            chat, *_ = await chats.start(
                visitor, body, None, "", number, channel, there=line.there, setup=Setup()
            )  # fmt: skip
        except Refused:
            # The site's settings changed since: no reason not to start.
            continue
        if chat == number:
            await database.write(AGE_CHAT, site.id, chat, line.minutes)
