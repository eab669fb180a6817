"""The demo's reviews, and the one that waits for a moderator.

They are written by the same service as everybody's; only their times and votes are put back afterwards. Who bought what
they review comes with the token of an order, as everywhere.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Struct

from cackled.database.query import Query, ReadPreference
from cackled.domain.channels import ChannelRef
from cackled.domain.errors import Refused
from cackled.domain.parts import ServiceParts
from cackled.domain.sessions import Session
from cackled.domain.site import Site
from cackled.domain.staff import Staff
from cackled.moderation.verdict import APPROVED, Draft, Verdict
from cackled.products.reviews.answers import ChannelBody, PostBody
from cackled.products.reviews.orders import Order, Orders, Product
from cackled.products.reviews.service import Reviews, review_channel

AGE_REVIEW = Query(
    "age_review",
    """
    update review set created_at = now() - make_interval(hours => $3), modified_at = now(), up = $4, down = $5,
      rank = helpful_rank($4, $5)
    where site_id = $1 and id = $2
    """,
    ("int", "bigint", "int", "int", "int"),
)
COUNT_THERE = Query(
    "count_demo_reviews", "select 1 from review where site_id = $1 and channel_id = $2 limit 1", ("int", "bigint")
)


class Line(Struct, frozen=True, kw_only=True):
    """One review of the demo: who, hours ago, votes, and what.

    ``bought``: with the token of an order; ``verdict``: what the site's rules are said to have made of it.
    """

    name: str
    star: int
    hours: int
    up: int = 0
    down: int = 0
    title: str = ""
    text: str = ""
    pros: str = ""
    cons: str = ""
    recommend: bool | None = None
    bought: bool = False
    reply: str = ""
    verdict: Verdict = APPROVED


KETTLE = (
    Line(
        name="Marta Lindqvist", star=5, hours=310, up=31, down=2, title="Tea for the whole table",
        text="One filling makes tea for eleven people. It sings *before* it boils, which is just in time.",
        pros="three litres\nstays warm for an hour", cons="heavy when full", recommend=True, bought=True,
    ),
    Line(
        name="Tom Okafor", star=2, hours=260, up=24, down=1, title="The lid",
        text="Twice now the lid fell into the cup when I poured the last of it. The kettle itself is lovely.",
        pros="looks", cons="the lid does not hold", recommend=False, bought=True,
        reply="Thank you for telling us. Lids made since May have a clip; we have sent you one.",
    ),
    Line(
        name="Priya N.", star=4, hours=205, up=12, title="Good, once you know how to hold it",
        text="Take the towel. The handle gets hot after the third pot.", recommend=True,
    ),
    Line(
        name="Иван Петров", star=5, hours=190, up=9, title="Как у бабушки",
        text="Большой, тяжёлый и свистит на всю улицу. То, что нужно для двора.", recommend=True, bought=True,
    ),
    Line(name="Elif", star=4, hours=150, up=3, text="Harika bir çaydanlık, yalnız biraz ağır.", recommend=True),
    Line(
        name="bengt", star=3, hours=120, up=5, down=2, text="It is a kettle. For two people a small one does.",
    ),
    Line(
        name="渡辺さくら", star=5, hours=96, up=7, title="みんなで使えます",
        text="町内会のお茶会で大活躍でした。", recommend=True, bought=True,
    ),
    Line(
        name="Dr. A. Whitcombe", star=1, hours=70, up=4, down=11, title="Not for induction",
        text="Nowhere on the page does it say so. It does nothing at all on my stove.", cons="no induction",
        recommend=False, bought=True,
        reply="You are right, and it stands at the top of the page now. We take it back, of course.",
    ),
    Line(name="Luís", star=5, hours=44, up=2, text="Já fez mais de cem bules. Como nova.", recommend=True),
    Line(name="Noa", star=4, hours=20, up=1, text="קומקום מצוין לשולחן ארוך.", recommend=True, bought=True),
)  # fmt: skip
KNIFE = (
    Line(name="Jun", star=5, hours=400, up=4, text="Cuts a fresh loaf without a crumb too many.", recommend=True),
    Line(name="Tom Okafor", star=5, hours=300, up=2, text="Passed along for a whole summer. Still sharp.", bought=True),
    Line(name="Ada", star=4, hours=90, text="Left-handed people can use it too."),
    # Nobody sees it before a moderator has decided.
    Line(
        name="Ferry", star=2, hours=3, title="Sharper than the photo",
        text="Arrived without its sheath, which the postman found out first. The one at "
        "https://example.org/knives/with-sheath costs the same.",
        cons="no sheath", verdict=Verdict("pending", ("link",)),
    ),
)  # fmt: skip
TABLE = (
    Line(name="Marta Lindqvist", star=5, hours=500, up=8, text="Thirty-one neighbours, no wobble.", bought=True),
    Line(name="bengt", star=4, hours=100, text="Measure your courtyard first."),
)
PAGES = (
    ("demo-kettle", "The three-litre kettle", KETTLE), ("demo-knife", "The bread knife", KNIFE),
    ("demo-table", "The long table", TABLE),
)  # fmt: skip


async def fill(parts: ServiceParts, site: Site) -> None:
    """Write the demo's reviews where they are missing."""
    database = parts.database.site(site.id)
    verdicts: dict[str, Verdict] = {}

    async def judge(site: Site, draft: Draft) -> Verdict:
        """What the demo has it be."""
        return verdicts.get(draft.once, APPROVED)

    reviews, orders = Reviews(msgspec.structs.replace(parts, judge=judge), site), Orders(parts, site)
    for key, title, lines in PAGES:
        channel = review_channel(site, key)
        if (await database.read(COUNT_THERE, site.id, channel, preference=ReadPreference.PRIMARY)).rows:
            continue
        for number, line in enumerate(sorted(lines, key=lambda one: -one.hours)):
            token, once = "", f"{key}-{number}"
            verdicts[once] = line.verdict
            if line.bought:
                order = Order(order=once, products=[Product(channel=key, title=title)], request=False)
                token = (await orders.note(order, "demo")).token
            body = PostBody(
                channel=ChannelBody(key), name=line.name, star=line.star, title=line.title, text=line.text,
                pros=line.pros, cons=line.cons, recommend=UNSET if line.recommend is None else line.recommend,
                order=token,
            )  # fmt: skip
            visitor = site.channel("reviews", f"demo visitor {line.name}")
            try:
                written = await reviews.post(
                    Session(site.id, visitor), ChannelRef(key, "", title), body, idempotency_key=once
                )
            except Refused as error:
                if error.slug not in ("reviewed", "order-used"):
                    raise
                # Another node writes them at this moment.
                continue
            review = int(msgspec.json.decode(written.review)["id"])
            await database.write(AGE_REVIEW, site.id, review, line.hours, line.up, line.down)
            if line.reply:
                await reviews.reply(Staff(name=site.name, role="moderator"), review, line.reply, "The shop")
