"""What a feature, and a product, declares. Everything outside its package that has to do with it goes by these."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct

from cackled.api.feed import Feed
from cackled.api.file_feed import FileFeed
from cackled.api.old_calls import OldCall
from cackled.api.route import Route
from cackled.api.thread import Thread
from cackled.api.widget import Widget
from cackled.config import Config
from cackled.database.query import Query
from cackled.database.routing import Database
from cackled.database.row_counts import Counted
from cackled.domain.activity import Activity
from cackled.domain.commands import Command
from cackled.domain.erasure import Erasable
from cackled.domain.errors import Refusal
from cackled.domain.limits import Buckets
from cackled.domain.listening import Private
from cackled.domain.mail_templates import LetterKind
from cackled.domain.outbox import Work
from cackled.domain.parts import ServiceParts
from cackled.domain.people import Authored
from cackled.domain.personal_data import Held
from cackled.domain.settings import ProductSettings
from cackled.domain.shareable import Shareable
from cackled.domain.signed_links import SignedLink, SignedLinks
from cackled.domain.site import Site
from cackled.domain.sites import SiteDirectory
from cackled.domain.uploads import Uploads
from cackled.events import EventType, Position
from cackled.importing.exports import Export
from cackled.importing.formats import Imports
from cackled.metrics import Metrics
from cackled.moderation.items import Moderated
from cackled.moderation.judged import Judged


class Limit(Struct, frozen=True, kw_only=True):
    """A rate limit of calls, named ``product.name`` in configuration and figures.

    *rate* calls a second and *burst* at once for each address, and *site_rate* a second for all of a site (None: no
    bound). ``old`` is the prefix of its settings in ``[limits]`` from before limits had names; ``like`` names another
    limit of the product that calls draw from instead.
    """

    name: str
    rate: float = 1.0
    burst: float = 1.0
    site_rate: float | None = None
    old: str = ""
    like: str = ""


class OutboxParts(Struct, frozen=True, kw_only=True):
    """What handlers of the outbox are made of.

    ``send`` is None where there is no mail server; ``links`` makes links that work once, below ``own_url``; ``http``
    asks servers that strangers name; ``replies`` is the address that takes answers to letters;
    ``moderated`` makes what moderators see of a site, by kind of item; ``uploads`` gives who takes pictures in.
    """

    sites: SiteDirectory
    database: Database
    send: Any
    sender: str
    links: SignedLinks
    own_url: str
    clock: Any = None
    uploads: Callable[[], Uploads] | None = None
    replies: str = ""
    http: Any = None
    moderated: Mapping[str, Callable[[Database, Site], Any]] = {}


async def no_nodes(what: str, key: str, checksum: str) -> bytes | None:
    """There are no other nodes."""
    return None


async def no_picture(site: Site, number: str) -> bytes | None:
    """There is none."""
    return None


async def no_square(raw: bytes, side: int) -> bytes:
    """Nobody makes any.

    Raises:
        OSError: always.
    """
    raise OSError("nobody decodes pictures here")


class SharedParts(Struct, frozen=True, kw_only=True):
    """What the parts of a feature that a process has once are made of.

    ``in_thread`` runs a function elsewhere and gives an awaitable of its result; ``buckets`` makes token buckets of a
    name, rate and burst, in which all processes count together; ``exempt`` says which addresses no limit applies to;
    ``readers`` gives (site, channel, readers) of all channels that are read now.
    ``http`` asks servers that strangers name, ``text_records`` gives TXT records (OSError where nobody answers),
    ``send`` sends mail (None: there is no mail server); ``own_url`` is the base of links in mail, or ``""``;
    ``country`` gives the country of an address as two capital letters, ``""`` where none is known.
    ``own_picture`` gives a picture that a visitor of a site uploaded, by its number, as a small file made anew.
    ``square`` makes a small square WebP of a file of a stranger's, in a confined process (Unprocessable: it is no
    picture, TooFast: many wait).
    ``ask_nodes`` asks other nodes for contents of a kind by key and checksum (128 bits of BLAKE2b in hexadecimal), and
    gives None where none has them; ``give_nodes`` says how this node answers for a kind.
    """

    database: Database
    sites: SiteDirectory
    clock: Any
    wall_time: Callable[[], float]
    random: Any
    in_thread: Callable[..., Awaitable[Any]]
    config: Config
    buckets: Callable[[str, float, float], Buckets]
    exempt: Callable[[str], bool]
    metrics: Metrics
    readers: Callable[[], Iterable[tuple[int, int, int]]]
    http: Any
    text_records: Callable[[str], Awaitable[list[str]]]
    send: Any
    own_url: str
    country: Callable[[str | None], str] = lambda address: ""
    own_picture: Callable[[Site, str], Awaitable[bytes | None]] = no_picture
    square: Callable[[bytes, int], Awaitable[bytes]] = no_square
    ask_nodes: Callable[[str, str, str], Awaitable[bytes | None]] = no_nodes
    give_nodes: Callable[[str, Callable[[str], Awaitable[bytes | None]]], None] = lambda what, give: None


class Feature(Struct, frozen=True, kw_only=True):
    """What a package brings to the whole: routes and all that follows from them.

    - ``name``: its name in limits and settings; of a product also in addresses and channel ids.
    - ``old_calls``: what it answers as other systems did, at their addresses.
    - ``routes``: what it answers; ``services``: how the service of a kind is made for one site; ``shared``: how what
      a process has once is made, by kind.
    - ``starts``: kinds of ``shared`` that have jobs of their own, started and stopped in one process of a node.
    - ``settings``: what a site's owner may choose, ``products.NAME.*`` in the catalog and ``NAME.*`` for operators.
    - ``limits``: the rate limits that its routes draw from; ``refusals``: what its database functions refuse;
      ``problems``: slug and status of what it refuses itself.
    - ``events``: the types of its durable events, and what they do to anybody's words.
    - ``deeds``: what signed links in mail do, by kind.
    - ``outbox``: handlers of work for other servers, by kind; ``jobs``: statements that keep its tables tidy, each
      deletes at most `cackled.domain.housekeeping.BATCH` rows and gives their number.
    - ``recounts``: statements that compare kept counts with what they count. Each looks at one thing that changed since
      the last time, puts it right, and gives a row: how many things it looked at (0: no more are left), and how many
      of them were wrong, which is a fault and is told to operators.
    - ``commands``: operator commands, for console, command line and admin HTTP.
    - ``sql``: the package whose folder ``sql`` has its migrations (``NNNN_name.sql``, numbered with all others) and,
      in ``sql/functions``, its database functions; ``""`` where that of the database has them.
    - ``web``: the package whose folder ``web`` has its scripts and styles, listed in ``bundles.json``; ``""``: none.
    - ``counted``: tables whose rows are counted for operators, in backups and before a site is deleted.
    - ``erase``: how it forgets a visitor; needed where its events hold words.
    - ``held``: what it has of visitors, by table; each table that names a visitor is in one of these.
    - ``moderated``: what the moderators' queue can list and do, by kind of item.
    - ``letters``: the kinds of mail that owners may word.
    - ``private``: which of its channels nobody listens to without a proof, by the name that their rows have as product;
      ``proofs``: the kind of ``shared`` that knows what visitors prove it with (`cackled.domain.listening.Proof`).
    """

    name: str
    routes: tuple[Route, ...] = ()
    old_calls: tuple[OldCall, ...] = ()
    settings: type[ProductSettings] | None = None
    services: Mapping[type, Callable[[ServiceParts, Site], Any]] = {}
    shared: Mapping[type, Callable[[SharedParts], Any]] = {}
    starts: tuple[type, ...] = ()
    limits: tuple[Limit, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    problems: Mapping[str, int] = {}
    events: tuple[EventType, ...] = ()
    outbox: Mapping[str, Callable[[OutboxParts], Callable[[Work], Awaitable[None]]]] = {}
    deeds: Mapping[str, Callable[[ServiceParts, Site, SignedLink], Awaitable[tuple[bool, Position | None]]]] = {}
    jobs: tuple[Query, ...] = ()
    recounts: tuple[Query, ...] = ()
    commands: tuple[Command, ...] = ()
    sql: str = ""
    web: str = ""
    counted: tuple[Counted, ...] = ()
    erase: Erasable | None = None
    held: tuple[Held, ...] = ()
    moderated: Mapping[str, Callable[[Database, Site], Moderated]] = {}
    letters: tuple[LetterKind, ...] = ()
    private: Mapping[str, Private] = {}
    proofs: Mapping[str, type] = {}


class Product(Feature, frozen=True, kw_only=True):
    """A product, whole: a feature that sites put on their pages, in channels of its own.

    - ``widgets``: its widgets and their first page.
    - ``threads``: its conversations as pages for readers without scripts.
    - ``feeds``: what feed readers ask for; ``files``: feeds that are whole files.
    - ``old_settings``: those of its settings that sites may still have under the bare name.
    - ``judged``: how what it has is judged before it is shown, and again when rules are tried.
    - ``authored``: how what it has of a visitor follows them when they sign in, or show another name.
    - ``activity``: what a visitor did in it that everybody may see.
    - ``shareable``: what visitors may share of it with accounts of theirs elsewhere.
    - ``seed``: fills the demo site; ``demo``: settings that it is made with, by their whole names.
    - ``exports``: gives the formats that it is exported in.
    - ``imports``: gives the formats of other systems that it reads; called when something is imported.
    """

    widgets: tuple[Widget, ...] = ()
    threads: tuple[Thread, ...] = ()
    feeds: tuple[Feed, ...] = ()
    files: tuple[FileFeed, ...] = ()
    old_settings: tuple[str, ...] = ()
    judged: Judged | None = None
    authored: Authored | None = None
    activity: Activity | None = None
    shareable: Shareable | None = None
    seed: Callable[[ServiceParts, Site], Awaitable[None]] | None = None
    demo: Mapping[str, Any] = {}
    imports: Callable[[], Imports] | None = None
    exports: Callable[[], tuple[Export, ...]] | None = None
