"""The demo's conversations, and what its moderators find in their queue.

Comments are written by the same service as everybody's; only their times and votes are put back afterwards, so that
the page looks lived in.
"""

from __future__ import annotations

from msgspec import Struct

from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.domain.channels import ChannelRef, parse_id
from cackled.domain.parts import ServiceParts
from cackled.domain.sessions import Session
from cackled.domain.site import Site
from cackled.moderation.verdict import APPROVED, Draft, Verdict
from cackled.products.comments.channels import comment_channel
from cackled.products.comments.moderation import CommentModeration
from cackled.products.comments.service import Comments

CHANNEL = "demo"

AGE_COMMENT = Query(
    "age_comment",
    """
    update comment set created_at = now() - make_interval(mins => $3), modified_at = now(), up = $4, down = $5
    where site_id = $1 and id = $2
    """,
    ("int", "bigint", "int", "int", "int"),
)
CHANNEL_EXISTS = Query(
    "channel_exists", "select 1 from channel where site_id = $1 and id = $2", ("int", "bigint")
)


class Line(Struct, frozen=True):
    """One comment of the demo: who, minutes ago, votes, what, and the replies to it.

    ``verdict``: what the site's rules are said to have made of it; ``flags``: who reported it, and why.
    """

    name: str
    minutes: int
    up: int
    down: int
    text: str
    replies: tuple[Line, ...] = ()
    verdict: Verdict = APPROVED
    flags: tuple[tuple[str, str], ...] = ()


_DEMO = (
    Line(
        "Marta Lindqvist", 2890, 41, 2,
        "We put one long table through the whole courtyard last summer: 31 neighbours, 14 languages, one bread knife. "
        "Nobody *planned* to stay until midnight.",
        (
            Line("Tom Okafor", 2815, 17, 0,
                 "The bread knife is the trick. As soon as something has to be passed along, people talk.",
                 (
                     Line("Marta Lindqvist", 2790, 9, 0, "Next year there will be only one salt shaker, too."),
                     Line("Jun", 1400, 3, 0, "How did you keep the far end from becoming its own party?"),
                     Line("Tom Okafor", 1375, 6, 0, "Dessert was served at the other end. Everybody had to move up."),
                 )),
            Line("Иван Петров", 2600, 4, 1, "У нас во дворе так делали каждое лето. Надо бы вернуть."),
        ),
    ),
    Line(
        "Priya N.", 2440, 28, 1,
        "Three things I like about a conversation under an article:\n\n- you can read it the next morning\n"
        "- the quiet ones get to finish their sentence\n- and nobody has to shout over the music",
        (
            Line("bengt", 2300, 8, 0, "Seconded. I am one of the quiet ones, and this took me four drafts."),
            Line("Elif", 610, 2, 0, "Worth all four."),
        ),
    ),
    Line("渡辺さくら", 1980, 15, 0, "長いテーブルの写真も見てみたいです。うちの町でもやってみようかな。"),
    Line(
        "Dr. A. Whitcombe", 1500, 12, 9,
        "I remain unconvinced. Most threads I know end in the third reply, and not in friendship.",
        flags=(("Priya N.", "He says so under every article."), ("Elif", "")),
        replies=(
            Line("Luís", 1460, 19, 3,
                 "That depends on who hosts. A table without a host is a canteen. There is good reading on this: "
                 "https://example.org/essays/hosting"),
            Line("Dr. A. Whitcombe", 1390, 7, 1,
                 "Read it. I withdraw the word *most*. Thank you for a source instead of a shout."),
        ),
    ),
    Line("Noor 🌿", 320, 6, 0,
         "Opened this in two windows and argued with myself for ten minutes. I lost."),
    Line("Sam", 95, 3, 0,
         "Does it also work when the train goes into the tunnel? Asking from a train: `yes`, it does."),
    Line("Greta", 12, 1, 0, "Hello from the *very* end of the table!"),
    # Nobody sees these before a moderator has decided.
    Line(
        "Wilma from number 12", 55, 0, 0,
        "Whoever finished the elderflower cordial: I know where you live. (I do. It is number 14.)",
        verdict=Verdict("pending", ("word",), words=("i know where you live",)),
    ),
    Line(
        "Ferry", 40, 0, 0,
        "We cook for sixty every month, and wrote down how: https://example.org/kitchen/sixty-at-one-table",
        verdict=Verdict("pending", ("link", "first")),
    ),
    Line(
        "TOP WATCHES 24", 25, 0, 0,
        "Luxury watches 80 % off, only today, order now: https://example.com/watches",
        verdict=Verdict("spam", ("spam", "link"), 0.98, ("watches", "luxury", "order")),
    ),
)  # fmt: skip
_GARDEN = (
    Line("Olu", 700, 5, 0, "Leave the seed heads standing until March. The finches will do the tidying."),
    Line("Hanne", 410, 2, 0, "And what about the roses?", (Line("Olu", 400, 3, 0, "When the forsythia blooms."),)),
)
_BREAD = (Line("Kaito", 2000, 4, 0, "78 % water and a cold night. That is the whole secret."),)
PAGES = (
    (ChannelRef(CHANNEL, "http://localhost/demo", "The long table"), _DEMO),
    (ChannelRef("demo-garden", "http://localhost/demo/garden", "What to leave undone in autumn"), _GARDEN),
    (ChannelRef("demo-bread", "http://localhost/demo/bread", "Bread for people with jobs"), _BREAD),
    (ChannelRef("demo-empty", "http://localhost/demo/empty", "A page nobody has written on"), ()),
)


async def fill(parts: ServiceParts, site: Site) -> None:
    """Write the demo's pages where they are missing."""
    verdicts = {_key(ref, line): line.verdict for ref, lines in PAGES for line in lines}

    async def judge(site: Site, draft: Draft) -> Verdict:
        """What the demo has it be."""
        return verdicts.get(draft.once, APPROVED)

    writer = Comments(site, parts.database, parts.cache, parts.evict, parts.queues, judge=judge)
    database = parts.database
    own = database.site(site.id)
    for ref, lines in PAGES:
        if not lines:
            continue
        channel = comment_channel(site, ref.key)
        there = await own.read(CHANNEL_EXISTS, site.id, channel, preference=ReadPreference.PRIMARY)
        if not there.rows:
            for line in sorted(lines, key=lambda one: -one.minutes):
                await _write(writer, database, site, ref, line, None)


def _key(ref: ChannelRef, line: Line) -> str:
    return f"demo-{ref.key}-{line.minutes}"


def _session(site: Site, name: str) -> Session:
    return Session(site.id, comment_channel(site, f"demo visitor {name}"))


async def _write(
    writer: Comments, database: Database, site: Site, ref: ChannelRef, line: Line, parent: int | None
) -> None:
    written = await writer.post(
        _session(site, line.name), ref, line.text, line.name, parent=parent, idempotency_key=_key(ref, line)
    )
    comment = parse_id(written.comment.split(b'"', 4)[3].decode())
    await database.site(site.id).write(AGE_COMMENT, site.id, comment, line.minutes, line.up, line.down)
    moderation = CommentModeration(site, database)
    for name, reason in line.flags:
        await moderation.flag(_session(site, name), comment, reason)
    for reply in sorted(line.replies, key=lambda one: -one.minutes):
        await _write(writer, database, site, ref, reply, comment)
