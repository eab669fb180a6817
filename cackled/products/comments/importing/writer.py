"""Writes comments that come from another system: in batches, unheard until their page is whole."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b
from ipaddress import ip_address

import msgspec

from cackled.database.query import Query, ReadPreference
from cackled.domain.errors import Refused
from cackled.domain.page_facts import page_url
from cackled.domain.site import Site
from cackled.domain.text import MAX_NAME, clean_text, clean_words, render
from cackled.events import Position
from cackled.importing import storable
from cackled.importing.foreign_markdown import own_markdown
from cackled.importing.formats import Parts, Ready, Spooled, Target, Written
from cackled.importing.html_text import to_markdown
from cackled.importing.pictures import FoundPicture, linked_pictures, web_address, wished
from cackled.importing.records import Author, Change, Item, Left
from cackled.importing.store import COUNT_PRESENT
from cackled.marks import cut
from cackled.products.comments.channels import PRODUCT_NAME, comment_channel
from cackled.products.comments.importing.pictures import with_links
from cackled.products.comments.importing.record import ImportedComment
from cackled.products.comments.mentions import readable
from cackled.products.comments.settings import CommentSettings

IMPORT_COMMENTS = Query(
    "import_comments",
    "select added, present from import_comments($1, $2, $3, $4, $5, $6)",
    ("int", "bigint", "text", "boolean", "text", "text"),
)
SETTLE_COMMENTS = Query(
    "settle_comments", "select channel, seq from settle_comments($1, $2)", ("int", "bigint[]")
)
UNDO_COMMENTS = Query(
    "undo_import_of_comments", "select channel, seq from undo_import_of_comments($1, $2, $3)",
    ("int", "bigint", "int"),
)  # fmt: skip

# What somebody wrote elsewhere may be longer than what can be written here.
MOST_TEXT = 20_000
MOST_VOTES = 5_000
NOBODY = "Anonymous"
# The text of a comment whose pictures are gone, where their addresses are not known.
NOTHING = "\N{HORIZONTAL ELLIPSIS}"
STATES = {"pending": 0, "approved": 1, "spam": 2, "rejected": 3, "deleted": 4}
_ENCODER = msgspec.json.Encoder()


def number_of_visitor(site: int, source: str, author: str) -> int:
    """The visitor here who is *author* of a source: the same each time, and nobody else."""
    digest = blake2b(f"{site}\0{source}\0{author}".encode("utf-8", "replace"), digest_size=8, person=b"cackled.import")
    return int.from_bytes(digest.digest(), "big") >> 2 | 1


def author_key(author: Author, item: str) -> str:
    """What a source's author is told apart by: their account; of guests mail and name; else what they wrote."""
    if author.id:
        return storable.name(f"account:{author.id}")[:300]
    if author.email:
        told = blake2b(f"{author.email.lower()}\0{author.name}".encode("utf-8", "replace"), digest_size=12).hexdigest()
        return f"guest:{told}"
    return f"item:{item}"[:300]


class CommentWriter:
    """The `cackled.importing.formats.Writer` of comments."""

    def __init__(self, parts: Parts, site: Site) -> None:
        self._site = site
        self._math = site.product(CommentSettings).math
        self._source = parts.source
        self._avatars = parts.avatars
        self._pictures = parts.photos
        self._database = parts.database.site(site.id)

    def channel(self, key: str) -> int:
        """The channel of a page's key."""
        return comment_channel(self._site, key)

    def prepare(self, item: Item) -> Ready | Left:
        """A comment with its text made as it is stored."""
        assert isinstance(item, ImportedComment)
        changes: list[Change] = []
        source, html = "", ""
        found: list[FoundPicture] = [FoundPicture(f"<{one}>", one) for one in item.linked]
        if item.state != "deleted":
            source = _source(item, self._math, found if self._pictures else None)
            if len(source) > MOST_TEXT:
                source = cut(source, MOST_TEXT)
                changes.append("shortened")
            try:
                source = clean_text(source, MOST_TEXT, bare=bool(item.pictures))
            except Refused:
                return Left(reason="empty", id=item.id)
            # Numbers of visitors mean somebody in our own exports alone.
            source = source if item.own else readable(source)
            html = render(source, math=self._math, mentions=item.own) if source else ""
        author = item.author
        name = clean_words(author.name)
        if not name:
            name = NOBODY
        if len(name) > MAX_NAME:
            name = cut(name, MAX_NAME).rstrip()
            changes.append("renamed")
        deleted = item.state == "deleted"
        known = author_key(author, item.id)
        avatar = "" if deleted else web_address(author.avatar) if self._avatars else page_url(author.avatar)
        # Who is nobody else's author is one for their picture's sake.
        noted = bool(self._avatars and avatar) or not (known.startswith("item:") or (item.own and not author.email))
        stored = {
            "own": item.own,
            "v": author.id if item.own else str(number_of_visitor(self._site.id, self._source, known)),
            # What is noted of authors, so that they can claim what is theirs.
            "a": known if noted and not deleted else "",
            "name": name if not deleted or (item.own and author.name) else "",
            "email": "" if deleted else storable.mail(author.email),
            "url": "" if deleted else page_url(author.url),
            "avatar": avatar,
            "ip": None if deleted else _address(author.address),
            "src": source, "html": html, "status": STATES[item.state],
            "up": storable.count(item.up), "down": storable.count(item.down), "edited": storable.moment(item.edited),
            "pinned": item.pinned, "featured": item.featured, "locked": item.locked,
            "votes": [
                [voter if item.own else str(number_of_visitor(self._site.id, self._source, f"account:{voter}")),
                 1 if value > 0 else -1, storable.name(voter)]
                for voter, value in item.votes[:MOST_VOTES]
            ],
        }  # fmt: skip
        if item.pictures and not deleted:
            stored["media"] = [{"kept": msgspec.Raw(one.kept), "hash": one.digest} for one in item.pictures]
            if not source:
                # What it says where they are not here any more.
                where = [one.address for one in item.pictures if one.address]
                links = clean_text(with_links("", where) or NOTHING, MOST_TEXT)
                stored |= {"bare_src": links, "bare_html": render(links)}
        wishes = wished(source, found) if self._pictures and not deleted else []
        if wishes:
            stored["pictures"] = wishes
        return Ready(_ENCODER.encode(stored), item.state == "approved", tuple(changes), len(wishes))

    def missing(self, id: str, page: str, created: float) -> Ready | None:
        """A stone."""
        made = self.prepare(ImportedComment(id=id, page=page, created=created, state="deleted"))
        return made if isinstance(made, Ready) else None

    async def present(self, ids: Sequence[str]) -> int:
        """How many of these ids were imported before."""
        rows = await self._database.read(
            COUNT_PRESENT, self._site.id, PRODUCT_NAME, self._source, list(ids), preference=ReadPreference.PRIMARY
        )
        return int(rows.rows[0][0])

    async def write(self, run: int, pages: Sequence[Target], items: Sequence[Spooled]) -> Written:
        """Store *items* in one transaction."""
        told = _ENCODER.encode([msgspec.to_builtins(page) | {"channel": str(page.channel)} for page in pages]).decode()
        rows = await self._database.write(
            IMPORT_COMMENTS, self._site.id, run, self._source, self._avatars, told, _joined(items)
        )
        return Written(*rows[0])

    async def settle(self, run: int, channels: Sequence[int]) -> Sequence[Position]:
        """Put the counts of *channels* right and tell readers once that they changed."""
        rows = await self._database.write(SETTLE_COMMENTS, self._site.id, list(channels))
        return [self._site.position(channel, seq) for channel, seq in rows]

    async def undo(self, run: int, most: int) -> tuple[Sequence[Position], bool]:
        """Take some of a run back. What somebody here answered stays as a stone."""
        rows = await self._database.write(UNDO_COMMENTS, self._site.id, run, most)
        more = bool(rows) and rows[-1][0] is None
        return [self._site.position(channel, seq) for channel, seq in rows[: len(rows) - more]], more


def _joined(items: Sequence[Spooled]) -> str:
    """The items as JSON: what the spool knows of each, before what was stored of it."""
    made = []
    for one in items:
        placed = _ENCODER.encode({
            "id": one.id, "c": str(one.channel), "p": one.parent, "r": one.root, "d": one.depth, "n": str(one.number),
            "t": one.created, "s": one.shown, "nr": one.replies, "nt": one.thread,
        })  # fmt: skip
        made.append(placed[:-1] + b"," + one.stored[1:])
    return (b"[" + b",".join(made) + b"]").decode()


def _source(item: ImportedComment, math: bool, found: list[FoundPicture] | None) -> str:
    """The text in our Markdown; *found* is given its pictures, where they are wished for."""
    if item.markup in ("html", "html-lines"):
        return to_markdown(item.text, lines=item.markup == "html-lines", pictures=found)
    # Longer than what is cut afterwards, and no longer than what is looked at.
    text = item.text[: 4 * MOST_TEXT]
    if item.markup == "plain":
        return re.sub(r"[*_~`\[\]<$]" if math else r"[*_~`\[\]<]", r"\\\g<0>", text)
    if item.own:
        return text
    text, some = linked_pictures(own_markdown(text, math=math))
    if found is not None:
        found += some
    return text


def _address(text: str) -> str | None:
    """An address of a connection; one of which a part was left out is no address any more."""
    try:
        return str(ip_address(text.strip().strip("[]").partition("%")[0]))
    except ValueError:
        return None
