"""Orders: what was bought by whom, tokens that say so, and requests for reviews.

A token is a JSON Web Token (HS256, RFC 7519) under a key of the site. It names the order, its products, a hash of the
buyer's address and when it runs out; each product can be reviewed with it once.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from secrets import token_urlsafe
from typing import Annotated, Any, Literal

import jwt
import msgspec
from msgspec import Meta, Struct

from cackled.clock import wall_time
from cackled.database.query import Query, ReadPreference
from cackled.domain.channels import ChannelRef, check_channel
from cackled.domain.errors import BadField, NotFound, Refused, Unprocessable
from cackled.domain.page_facts import page_title, page_url
from cackled.domain.page_keys import fit
from cackled.domain.parts import ServiceParts
from cackled.domain.qr import Qr, draw
from cackled.domain.site import Site
from cackled.domain.text import clean_words
from cackled.languages import LANGUAGES
from cackled.products.reviews.settings import ReviewSettings

AUDIENCE = "review-order"
STOP_AUDIENCE = "review-stop"
# Seconds that a token holds.
LIFETIME = 180 * 24 * 3600
LONGEST = 4_000
MOST_PRODUCTS = 50
MOST_ROWS = 5_000
# Products of an order with QR codes (some 30 ms of work each), and bytes that a code of level M takes.
MOST_CODES = 5
LONGEST_CODE = 2_300
LONGEST_REF = 100
DAY = 24 * 3600

SITE_SECRET = Query("review_secret", "select review_secret($1, $2)", ("int", "text"))
NOTE_ORDER = Query(
    "note_review_order",
    "select id, added from note_review_order($1, $2, $3, $4, $5, $6, $7, to_timestamp($8), $9, $10, to_timestamp($11), "
    "$12)",
    ("int", "text", "text", "text", "text", "text", "text", "float8", "text", "text", "float8", "boolean"),
)
ORDER_TOLD = Query("review_order_told", "select review_order_told($1, $2)", ("int", "bigint"))
NOTE_OPENED = Query(
    "note_review_request_opened",
    """
    update review_request set state = 'opened', opened_at = coalesce(opened_at, now())
    where site_id = $1 and order_id = $2 and state in ('sent', 'reminded')
    """,
    ("int", "bigint"),
)
SELECT_REQUESTS = Query(
    "select_review_requests",
    """
    select r.order_id, o.ref, o.mail, r.state, milli_text(r.due_at), milli_text(r.sent_at), milli_text(r.reminded_at),
      milli_text(r.opened_at), milli_text(r.answered_at), r.note
    from review_request r join review_order o on o.site_id = $1 and o.id = r.order_id
    where r.site_id = $1 and ($2 = '' or r.state = $2) and ($3::bigint is null or r.order_id < $3)
    order by r.order_id desc limit $4
    """,
    ("int", "text", "bigint", "int"),
)
COUNT_REQUESTS = Query(
    "count_review_requests", "select state, count(*) from review_request where site_id = $1 group by state", ("int",)
)
# Of those that were sent, whatever became of them since. Who has answered has opened the link, whoever told of that.
COUNT_SENT = Query(
    "count_sent_review_requests",
    """
    select count(*), count(*) filter (where opened_at is not null or answered_at is not null), count(answered_at)
    from review_request where site_id = $1 and sent_at is not null
    """,
    ("int",),
)
STOP_REQUEST = Query(
    "stop_review_request",
    """
    update review_request set state = 'stopped', note = 'owner' where site_id = $1 and order_id = $2
      and state in ('waiting', 'sent', 'reminded') returning 1
    """,
    ("int", "bigint"),
)
BLOCK_MAIL = Query(
    "block_review_mail", "select block_review_mail($1, $2, $3, $4)", ("int", "text", "text", "text")
)
UNBLOCK_MAIL = Query(
    "unblock_review_mail", "delete from review_block where site_id = $1 and mail_hash = $2 returning 1", ("int", "text")
)
SELECT_BLOCKS = Query(
    "select_review_blocks",
    """
    select shown, why, milli_text(created_at) from review_block where site_id = $1
    order by created_at desc, mail_hash offset $2 limit $3
    """,
    ("int", "int", "int"),
)


class Product(Struct):
    """A product of an order: its channel key, or the address of its page."""

    channel: str = ""
    url: str = ""
    title: str = ""


class Order(Struct, kw_only=True):
    """An order.

    ``at``: the time of the event that counts. ``request``: whether its buyer may be asked for reviews by mail.
    ``incentivized``: the buyer gets something for a review, which is then labelled.
    """

    order: str
    email: str = ""
    name: str = ""
    language: str = ""
    products: list[Product]
    event: Literal["purchase", "fulfilled", "delivered"] = "delivered"
    at: str = ""
    request: bool = True
    incentivized: bool = False
    qr: Annotated[bool, Meta(description="Answer with QR codes of the links.")] = False


class Bought(Struct, frozen=True):
    """What a token says: the number of the order, the channels of its products, and a hash of the buyer's address."""

    order: int
    channels: tuple[int, ...]
    mail: str
    expires: int


class Noted(Struct, frozen=True):
    """A registered order: the token for all its products, and a link to the form of each product with an address.

    ``qr`` has the links as QR codes where they were asked for, each the path of an SVG in a square of ``size`` units.
    """

    order: str
    token: str
    links: dict[str, str]
    requested: bool
    qr: dict[str, Qr] = {}


class RowRefused(Struct, frozen=True):
    """A refused row, counted from 1 without the header."""

    row: int
    reason: str


class RequestFigures(Struct, frozen=True):
    """How many requests were sent, and of these: how many led to the form, and to a review."""

    sent: int
    opened: int
    answered: int


class FileNoted(Struct, frozen=True):
    """The result of a file of orders."""

    rows: int
    made: int
    refused: list[RowRefused]


class Keys:
    """The key of a site that signs tokens of its orders."""

    def __init__(self, database: Any, site: int) -> None:
        self._database = database
        self._site = site

    async def key(self) -> str:
        """The key; made when it is first needed."""
        rows = await self._database.write(SITE_SECRET, self._site, token_urlsafe(32))
        return str(rows[0][0])


def token_of(site: int, key: str, order: int, channels: list[int], mail: str, now: float) -> str:
    """A token of an order of a site; *mail* is the hash of the buyer's address."""
    claims = {
        "aud": AUDIENCE, "site": site, "sub": str(order), "jti": token_urlsafe(12),
        "prd": [str(one) for one in channels[:MOST_PRODUCTS]], "mh": mail[:16], "iat": int(now),
        "exp": int(now) + LIFETIME,
    }  # fmt: skip
    return jwt.encode(claims, key, algorithm="HS256")


def stop_token(site: int, key: str, mail: str) -> str:
    """A token by which its bearer is not written to any more; *mail* is the hash of their address."""
    return jwt.encode({"aud": STOP_AUDIENCE, "site": site, "mh": mail}, key, algorithm="HS256")


def mail_hash(address: str) -> str:
    """How an address is compared: a hash of it in small letters."""
    return sha256(address.strip().lower().encode()).hexdigest() if address.strip() else ""


def masked(address: str) -> str:
    """An address as staff see it."""
    name, at, host = address.partition("@")
    return f"{name[:1]}***{at}{host}" if at else ""


def parse_time(text: str, now: float) -> float:
    """Seconds since 1970 of an ISO 8601 time or day; *now* of none.

    Raises:
        ValueError: it is none, or has no zone, or is to come.
    """
    if not text.strip():
        return now
    made = datetime.fromisoformat(text.strip())
    if made.tzinfo is None:
        made = made.replace(tzinfo=UTC)
    found = made.timestamp()
    if found > now + DAY or found < 0:
        raise ValueError("that time is to come")
    return found


class Orders:
    """The orders of one site; *now* gives seconds since 1970."""

    def __init__(self, parts: ServiceParts, site: Site, now: Callable[[], float] = wall_time) -> None:
        self._site = site
        self._settings = site.product(ReviewSettings)
        self._database = parts.database.site(site.id)
        self._now = now

    async def _key(self) -> str:
        return await Keys(self._database, self._site.id).key()

    async def token(self, order: int, channels: list[int], mail: str) -> str:
        """A token of an order."""
        return token_of(self._site.id, await self._key(), order, channels, mail, self._now())

    async def unsubscribe(self, token: str) -> None:
        """Write no more to whoever got the link.

        Raises:
            Unprocessable: it is not genuine.
        """
        try:
            claims = jwt.decode(token, await self._key(), algorithms=["HS256"], audience=STOP_AUDIENCE)
            hashed, site = str(claims["mh"]), int(claims["site"])
        except (jwt.InvalidTokenError, KeyError, ValueError, TypeError, RecursionError):
            site, hashed = 0, ""
        if site != self._site.id or not hashed:
            raise Unprocessable("This link does not hold.", field="token", slug="order-token")
        await self._database.write(BLOCK_MAIL, self._site.id, hashed, "", "unsubscribed")

    async def read(self, token: str) -> Bought:
        """What a token says.

        Raises:
            Unprocessable: it is not genuine, is another site's, or has run out.
        """
        wrong = Unprocessable(
            "This link does not hold (any more). You can write your review without it.", field="order",
            slug="order-token",
        )  # fmt: skip
        if not token or len(token) > LONGEST or not token.isascii():
            raise wrong
        try:
            claims = jwt.decode(
                token, await self._key(), algorithms=["HS256"], audience=AUDIENCE,
                options={"require": ["aud", "exp", "jti", "sub"], "verify_exp": False, "verify_iat": False},
            )  # fmt: skip
            made = Bought(
                int(claims["sub"]), tuple(int(one) for one in claims["prd"]), str(claims["mh"]), int(claims["exp"])
            )
            site = int(claims["site"])
        except (jwt.InvalidTokenError, KeyError, ValueError, TypeError, RecursionError):
            raise wrong from None
        if site != self._site.id or made.expires <= self._now():
            raise wrong
        return made

    async def told(self, token: str) -> dict[str, Any]:
        """What a link is for: the name of the buyer and the products, and which of them were reviewed with it.

        Raises:
            Unprocessable: it does not hold. NotFound: the order is not known any more.
        """
        bought = await self.read(token)
        rows = await self._database.read(
            ORDER_TOLD, self._site.id, bought.order, preference=ReadPreference.PRIMARY
        )
        if rows.rows[0][0] is None:
            raise NotFound("That order is not known any more.")
        await self._database.write(NOTE_OPENED, self._site.id, bought.order)
        found: dict[str, Any] = msgspec.json.decode(rows.rows[0][0])
        found["expires"] = datetime.fromtimestamp(bought.expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return found

    async def note(self, order: Order, source: str = "api") -> Noted:
        """Note an order, and ask for reviews of it later where that was asked for and the site may.

        Raises:
            Refused: a member can't be used.
        """
        ref = clean_words(order.order, LONGEST_REF + 1)
        if not ref or len(ref) > LONGEST_REF:
            raise BadField(f"An order has a name of 1 to {LONGEST_REF} characters.", field="order")
        if not 1 <= len(order.products) <= MOST_PRODUCTS:
            raise BadField(f"An order has 1 to {MOST_PRODUCTS} products.", field="products")
        if order.qr and len(order.products) > MOST_CODES:
            raise BadField(f"QR codes are made for at most {MOST_CODES} products at once.", field="qr")
        email = order.email.strip()
        if email and not _is_mail(email):
            raise BadField("That is no address of mail.", field="email")
        try:
            at = parse_time(order.at, self._now())
        except ValueError:
            raise BadField("A time is written as 2026-10-31T12:00:00Z, and has passed.", field="at") from None
        language = order.language.strip().lower().partition("-")[0]
        items = [self._item(one, n) for n, one in enumerate(order.products)]
        asked = order.request and bool(email) and self._settings.requests != "off"
        due = at + self._settings.request_days * DAY if asked else None
        rows = await self._database.write(
            NOTE_ORDER,
            self._site.id, ref, email if asked else "", mail_hash(email), clean_words(order.name, 60),
            language if language in LANGUAGES else "", order.event, at, source,
            msgspec.json.encode(items).decode(), due, order.incentivized,
        )  # fmt: skip
        token = await self.token(int(rows[0][0]), [int(one["channel"]) for one in items], mail_hash(email))
        links = {one["key"]: link_to(one["url"], token) for one in items if one["url"]}
        return Noted(ref, token, links, asked, await self._codes(int(rows[0][0]), items, mail_hash(email), order.qr))

    async def _codes(self, order: int, items: list[dict[str, str]], mail: str, wanted: bool) -> dict[str, Qr]:
        """A QR code for each product that has an address, with a token for that product alone, which is shorter."""
        made = {}
        for one in items if wanted else ():
            link = link_to(one["url"], await self.token(order, [int(one["channel"])], mail))
            if one["url"] and len(link.encode()) <= LONGEST_CODE:
                made[one["key"]] = draw(link)
        return made

    def _item(self, product: Product, number: int) -> dict[str, str]:
        try:
            key = check_channel(ChannelRef(self._site.key(fit(product.channel.strip()), product.url))).key
        except Refused as error:
            error.field = f"products[{number}]"
            raise
        return {
            "channel": str(self._site.channel("reviews", key)), "key": key, "url": page_url(product.url),
            "title": page_title(product.title),
        }  # fmt: skip

    async def note_file(self, text: str) -> FileNoted:
        """Note the orders of a CSV file; rows of one order are its products.

        Its columns: ``order``, ``email``, ``name``, ``language``, ``channel`` or ``url``, ``title``, ``event``, ``at``,
        ``incentivized`` (yes).

        Raises:
            BadField: it has no line of names, or too many rows.
        """
        head = text.lstrip("\ufeff").partition("\n")[0]
        divider = max(",;\t", key=head.count)
        rows = csv.DictReader(io.StringIO(text.lstrip("\ufeff"), newline=""), delimiter=divider)
        names = {name.strip().lower() for name in rows.fieldnames or []}
        if "order" not in names or not names & {"channel", "url"}:
            raise BadField("The first line names the columns: order, email, channel or url, ..", field="csv")
        orders: dict[str, tuple[int, Order]] = {}
        refused: list[RowRefused] = []
        count = 0
        try:
            for count, row in enumerate(rows, 1):
                if count > MOST_ROWS:
                    raise BadField(f"A file has at most {MOST_ROWS} rows.", field="csv")
                cells = {str(name).strip().lower(): str(cell or "").strip() for name, cell in row.items() if name}
                ref = cells.get("order", "")
                event = cells.get("event") or "delivered"
                if event not in ("purchase", "fulfilled", "delivered"):
                    refused.append(RowRefused(count, "event"))
                    continue
                product = Product(cells.get("channel", ""), cells.get("url", ""), cells.get("title", ""))
                if ref in orders:
                    orders[ref][1].products.append(product)
                    continue
                orders[ref] = count, Order(
                    order=ref, email=cells.get("email", ""), name=cells.get("name", ""),
                    language=cells.get("language", ""), products=[product], event=_event(event), at=cells.get("at", ""),
                    incentivized=cells.get("incentivized", "").lower() in ("yes", "true", "1"),
                )  # fmt: skip
        except csv.Error as error:
            raise BadField(f"Row {count + 1} can't be read: {error}.", field="csv") from None
        made = 0
        for number, order in orders.values():
            try:
                await self.note(order, "csv")
                made += 1
            except Refused as error:
                refused.append(RowRefused(number, error.field or error.slug))
        return FileNoted(count, made, sorted(refused, key=lambda one: one.row))

    async def requests(
        self, state: str, before: int | None, size: int
    ) -> tuple[list[dict[str, Any]], dict[str, int], RequestFigures]:
        """Requests, the newest order first; how many there are in each state; and what became of those sent."""
        rows = await self._database.read(
            SELECT_REQUESTS, self._site.id, state, before, size, preference=ReadPreference.PRIMARY
        )
        counts = await self._database.read(COUNT_REQUESTS, self._site.id, preference=ReadPreference.PRIMARY)
        sent = await self._database.read(COUNT_SENT, self._site.id, preference=ReadPreference.PRIMARY)
        names = ("id", "order", "email", "state", "due", "sent", "reminded", "opened", "answered", "note")
        found = [dict(zip(names, (str(row[0]), row[1], masked(row[2]), *row[3:]), strict=True)) for row in rows.rows]
        return found, dict(counts.rows), RequestFigures(*sent.rows[0])

    async def stop(self, order: int) -> None:
        """Ask for no reviews of an order any more.

        Raises:
            NotFound: nothing is asked for.
        """
        if not await self._database.write(STOP_REQUEST, self._site.id, order):
            raise NotFound("There is no such request that could be stopped.")

    async def block(self, address: str, why: str = "owner") -> None:
        """Write to *address* no more.

        Raises:
            BadField: it is none.
        """
        if not _is_mail(address.strip()):
            raise BadField("That is no address of mail.", field="email")
        await self._database.write(BLOCK_MAIL, self._site.id, mail_hash(address), masked(address.strip()), why)

    async def unblock(self, address: str) -> None:
        """Write to *address* again.

        Raises:
            NotFound: it was not blocked.
        """
        if not await self._database.write(UNBLOCK_MAIL, self._site.id, mail_hash(address)):
            raise NotFound("That address is not blocked.")

    async def blocked(self, offset: int = 0) -> list[tuple[str, str, str]]:
        """Who is not written to: a masked address, why, and since when."""
        rows = await self._database.read(SELECT_BLOCKS, self._site.id, offset, 1_000, preference=ReadPreference.PRIMARY)
        return rows.rows


def link_to(url: str, token: str, star: int | None = None) -> str:
    """The address of a page with its form opened; what is behind ``#`` is sent to no server."""
    return f"{url.partition('#')[0]}#mc-review={token}" + (f"&star={star}" if star else "")


def _event(text: str) -> Any:
    return text


def _is_mail(address: str) -> bool:
    name, at, host = address.rpartition("@")
    return bool(
        name and at and host and len(address) <= 250 and address.isprintable() and not set(address) & set(' <>,;:"\\()')
    )
