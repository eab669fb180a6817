"""A tiny product for tests alone: walls that visitors put reactions on.

It is what a product can be at the least, and shows that nothing outside of a product's package knows of it: it is
registered by one line, ``PRODUCTS = (comments.PRODUCT, WALL)``.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from cackled.api.answers import Count, Id, PositionText
from cackled.api.calls import Call
from cackled.api.route import Caller, Reach, Route
from cackled.api.widget import FirstPage, FirstRender, Widget
from cackled.database.errors import QueryFailed
from cackled.database.query import Query, ReadPreference
from cackled.database.row_counts import Counted
from cackled.domain.channels import ChannelRef, check_channel
from cackled.domain.erasure import Erasable
from cackled.domain.errors import BadField, Refusal, Refusals, Unprocessable
from cackled.domain.parts import ServiceParts
from cackled.domain.read_options import Reading
from cackled.domain.sessions import Session
from cackled.domain.settings import ProductSettings
from cackled.domain.site import Site
from cackled.domain.text import clean_name
from cackled.events import EventType, Position, Subject
from cackled.products.product import Limit, Product

PUT_REACTION = Query(
    "put_reaction", "select reaction, seq from put_reaction($1, $2, $3, $4, $5, $6)",
    ("int", "bigint", "text", "bigint", "text", "text"),
)  # fmt: skip
SELECT_WALL = Query(
    "select_wall",
    """
    select c.seq, coalesce(w.reactions, 0), coalesce((
      select string_agg(reaction_json(r), ',' order by r.id desc) from reaction r
      where r.site_id = $1 and r.channel_id = $2 and not r.gone), '')
    from channel c left join wall w on w.site_id = c.site_id and w.channel_id = c.id
    where c.site_id = $1 and c.id = $2 and c.key = $3
    """,
    ("int", "bigint", "text"),
)
ERASE_REACTIONS = Query(
    "erase_reactions", "select channel, seq from erase_reactions($1, $2, $3)", ("int", "bigint", "int")
)
SELECT_WALLS = Query(
    "select_walls_of_visitor", "select distinct channel_id from reaction where site_id = $1 and visitor_id = $2",
    ("int", "bigint"),
)  # fmt: skip

REACTION = Subject(name="reaction", scrubbed={"author": None, "words": ""})
REFUSALS = (
    Refusal(state="CK422", reason="boring", error=Unprocessable, detail="That says nothing.", field="words"),
)


class WallSettings(ProductSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of walls."""

    longest: Annotated[int, Meta(ge=1, le=40, description="characters of a reaction")] = 40

    def public(self) -> dict[str, Any]:
        """What a browser may know."""
        return {"longest": self.longest}


class Wall:
    """The walls of one site."""

    def __init__(self, parts: ServiceParts, site: Site) -> None:
        self._parts = parts
        self._site = site
        self._database = parts.database.site(site.id)

    async def put(self, session: Session, key: str, name: str, words: str) -> tuple[bytes, Position]:
        """Put a reaction on a wall; gives it as JSON, and where its event stands."""
        longest = self._site.product(WallSettings).longest
        if len(words) > longest:
            raise BadField(f"A reaction has at most {longest} characters.", field="words")
        channel = self._site.channel("wall", key)
        args = (self._site.id, channel, key, session.visitor, clean_name(name), words)
        try:
            reaction, seq = (await self._database.write(PUT_REACTION, *args))[0]
        except QueryFailed as error:
            raise Refusals(REFUSALS).find(error.sqlstate, error.message) or error from None
        position = self._site.position(channel, seq)
        self._parts.evict(position)
        return reaction.encode(), position

    async def page(self, key: str, reading: Reading) -> tuple[bytes, int]:
        """A wall as members of a JSON object, and its seq."""
        channel = self._site.channel("wall", key)
        rows = reading.found(await reading.rows(self._database, SELECT_WALL, self._site.id, channel, key))
        seq, count, reactions = rows[0] if rows else (0, 0, "")
        position = self._site.position(channel, seq)
        return f'"position":"{position}","count":{count},"reactions":[{reactions}]'.encode(), seq


class PutBody(Struct):
    """A new reaction."""

    channel: str
    name: str
    words: Annotated[str, Meta(min_length=1, max_length=40)]


class WallQuery(Struct, frozen=True):
    """Which wall."""

    channel: Annotated[str, Meta(description="The channel's key.")] = ""


class ReactionAuthor(Struct, frozen=True):
    """Who reacted."""

    id: Id
    name: str


class Reaction(Struct, frozen=True):
    """A reaction."""

    id: Id
    author: ReactionAuthor
    words: str


class WallPage(Struct, frozen=True):
    """A wall, the newest reaction first."""

    position: PositionText
    count: Count
    reactions: list[Reaction]


class PutReaction(Struct, frozen=True):
    """A reaction, and where its event stands."""

    reaction: Reaction
    position: PositionText


def query_key(query: WallQuery, site: Site | None = None) -> str:
    """The key of the wall."""
    return check_channel(ChannelRef(query.channel)).key


async def put_reaction(call: Call) -> bytes:
    """Put a reaction."""
    body: PutBody = call.body
    key = check_channel(ChannelRef(body.channel)).key
    reaction, position = await call.service(Wall).put(call.visitor, key, body.name, body.words)
    return b'{"reaction":' + reaction + b',"position":' + msgspec.json.encode(str(position)) + b"}"


async def get_wall(call: Call) -> bytes:
    """Read a wall."""
    members, _ = await call.service(Wall).page(query_key(call.query), call.reading)
    return b"{" + members + b"}"


async def first_page(render: FirstRender) -> FirstPage:
    """The wall in its first render."""
    members, seq = await render.service(Wall).page(query_key(render.query), render.reading)
    return FirstPage(members, seq, b"null")


WALL = Product(
    name="wall",
    routes=(
        Route(
            method="POST", path="/sites/{site}/reactions", name="putReaction", summary="Put a reaction on a wall.",
            handler=put_reaction, body=PutBody, answer=PutReaction, status=201, caller=Caller.SESSION,
            reach=Reach.CHANNEL, channel=lambda call: call.body.channel, limit="wall.put", writes=True,
            refusals=("boring", "banned", "locked", "key"),
        ),
        Route(
            method="GET", path="/sites/{site}/wall", name="getWall", summary="Read a wall.", handler=get_wall,
            query=WallQuery, answer=WallPage, reach=Reach.CHANNEL, channel=lambda call: query_key(call.query),
            limit="reads", preference=ReadPreference.PRIMARY,
        ),
    ),
    widgets=(Widget(name="Wall", query=WallQuery, key=query_key, page=first_page, answer=WallPage),),
    settings=WallSettings,
    services={Wall: Wall},
    limits=(Limit(name="put", rate=1.0, burst=5),),
    refusals=REFUSALS,
    events=(
        EventType(type="reaction.put", subject=REACTION, words=True),
        EventType(type="reaction.gone", subject=REACTION, removes=True),
    ),
    sql="tests.support.wall",
    web="tests.support.wall",
    counted=(Counted(table="reaction", word="reactions"),),
    erase=Erasable(steps=(ERASE_REACTIONS,), channels=SELECT_WALLS, subjects=(REACTION,)),
)  # fmt: skip
