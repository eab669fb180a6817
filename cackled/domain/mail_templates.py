"""What a site's owner says in letters: the subject, words at the beginning, and words at the end.

A template has placeholders, ``{site}``, and nothing else that is read: no conditions, no markup, no addresses that are
fetched. Which placeholders a kind of letter has, its product declares (`LetterKind`). What is put in place of one is
one line, is bounded, and is never read as a placeholder itself; in HTML everything is escaped.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Awaitable, Callable, Mapping
from email.message import EmailMessage
from html import escape
from typing import Annotated, Any

from msgspec import Meta, Struct

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.errors import BadField, Outdated
from cackled.domain.logo import logo_of
from cackled.domain.quoting import cleaned, unlinked
from cackled.domain.site import Site
from cackled.languages import LANGUAGES, Language

MOST_SUBJECT = 150
MOST_INTRO = 2_000
MOST_FOOTER = 1_000
# Characters of what stands in place of a placeholder, and of a whole subject.
MOST_VALUE = 80
MOST_LINE = 200
_LOGO = '<p style="margin:0 0 20px">{}</p>'
_PLACE = re.compile(r"\{([a-z]+)\}")

_VERSION = "content_version(row(m.subject, m.intro, m.footer)::text)"
SELECT_TEMPLATE = Query(
    "select_mail_template",
    "select subject, intro, footer from mail_template where site_id = $1 and kind = $2 and language = $3",
    ("int", "text", "text"),
)
SELECT_TEMPLATES = Query(
    "select_mail_templates",
    f"""
    select kind, language, {_VERSION}, subject, intro, footer from mail_template m
    where site_id = $1 order by kind, language
    """,
    ("int",),
)
ADD_TEMPLATE = Query(
    "add_mail_template",
    f"""
    insert into mail_template as m (site_id, kind, language, subject, intro, footer) values ($1, $2, $3, $4, $5, $6)
    on conflict do nothing returning {_VERSION}
    """,
    ("int", "text", "text", "text", "text", "text"),
)
CHANGE_TEMPLATE = Query(
    "change_mail_template",
    f"""
    update mail_template m set subject = $4, intro = $5, footer = $6, changed_at = now()
    where site_id = $1 and kind = $2 and language = $3 and {_VERSION} = $7 returning {_VERSION}
    """,
    ("int", "text", "text", "text", "text", "text", "bigint"),
)
DROP_TEMPLATE = Query(
    "drop_mail_template",
    f"""
    delete from mail_template m where site_id = $1 and kind = $2 and language = $3
      and ($4::bigint is null or {_VERSION} = $4)
    returning 1
    """,
    ("int", "text", "text", "bigint"),
)


class Template(Struct, frozen=True, forbid_unknown_fields=True):
    """The owner's words of one kind of letter in one language; what is empty is as it comes."""

    subject: Annotated[str, Meta(max_length=MOST_SUBJECT)] = ""
    intro: Annotated[str, Meta(max_length=MOST_INTRO)] = ""
    footer: Annotated[str, Meta(max_length=MOST_FOOTER)] = ""


class Dress:
    """A template with the values of one letter; without a template letters are as they come. *logo* is HTML."""

    def __init__(
        self, template: Template | None = None, values: Mapping[str, object] | None = None, logo: str = ""
    ) -> None:
        self._logo = logo
        self._template = template or Template()
        self._values = {key: _value(str(one)) for key, one in (values or {}).items()}

    def subject(self, usual: str) -> str:
        """The subject; *usual* where the owner chose none."""
        return " ".join((self._filled(self._template.subject) or usual).split())[:MOST_LINE]

    @property
    def intro(self) -> list[str]:
        """Lines for the beginning, with an empty one behind them; none where there are none."""
        text = self._filled(self._template.intro)
        return [*text.splitlines(), ""] if text else []

    @property
    def footer(self) -> list[str]:
        """Lines for the end, with an empty one before them; none where there are none."""
        text = self._filled(self._template.footer)
        return ["", *text.splitlines()] if text else []

    def intro_html(self, style: str = "") -> str:
        """The site's logo, and the words of the beginning as paragraphs, escaped."""
        return self._logo + _paragraphs(self._filled(self._template.intro), style)

    def footer_html(self, style: str = "") -> str:
        """The words of the end as paragraphs, escaped."""
        return _paragraphs(self._filled(self._template.footer), style)

    def _filled(self, text: str) -> str:
        return _PLACE.sub(lambda found: self._values.get(found[1], found[0]), text).strip()


def _value(text: str) -> str:
    line = unlinked(cleaned(text[: 4 * MOST_VALUE]))
    return line if len(line) <= MOST_VALUE else line[: MOST_VALUE - 1].rstrip() + "…"


def _paragraphs(text: str, style: str) -> str:
    parts = [one.strip() for one in re.split(r"\n\s*\n", text) if one.strip()]
    shown = f' style="{escape(style)}"' if style else ""
    return "".join(f'<p class="text" dir="auto"{shown}>{escape(one).replace(chr(10), "<br>")}</p>' for one in parts)


PLAIN = Dress()


class LetterKind(Struct, frozen=True, kw_only=True):
    """A kind of letter that owners may word: ``places`` are its placeholders.

    ``sample`` makes a letter about nobody, for the owner to look at.
    """

    name: str
    places: tuple[str, ...]
    sample: Callable[[Site, Language, Template], Awaitable[EmailMessage]]


def checked(kind: LetterKind, template: Template) -> Template:
    """*template* as it is kept.

    Raises:
        BadField: it has a placeholder that the kind has not, a brace that belongs to none, or what can't be seen.
    """
    subject = " ".join(template.subject.split())
    kept = Template(subject, template.intro.strip(), template.footer.strip())
    for field, text in (("subject", kept.subject), ("intro", kept.intro), ("footer", kept.footer)):
        for name in _PLACE.findall(text):
            if name not in kind.places:
                there = ", ".join(f"{{{one}}}" for one in kind.places)
                raise BadField(f"There is no {{{name}}} in this letter; there are {there}.", field=field)
        if re.search(r"[{}]", _PLACE.sub("", text)):
            raise BadField("A brace belongs to a placeholder, such as {site}.", field=field)
        if any(unicodedata.category(one) in ("Cc", "Cs", "Co", "Cn") and one not in "\n\r\t" for one in text):
            raise BadField("There is a character that can't be shown.", field=field)
        if len(text.splitlines()) > 60:
            raise BadField("At most 60 lines.", field=field)
    return kept


class Chosen(Struct, frozen=True):
    """A template that a site has. ``version``: its ETag."""

    kind: str
    language: str
    version: int
    template: Template


class MailTemplates:
    """The templates of one site; *own_url* is the base of addresses in letters, or ``""``."""

    def __init__(self, site: Site, database: Database, own_url: str = "") -> None:
        self._site = site
        self._database = database.site(site.id)
        self._own_url = own_url.rstrip("/")

    async def find(self, kind: str, language: str) -> Template:
        """The template of a kind of letter in *language*; an empty one where the owner chose none."""
        found = await self._database.read(
            SELECT_TEMPLATE, self._site.id, kind, language, preference=ReadPreference.PRIMARY
        )
        return Template(*found.rows[0]) if found.rows else Template()

    async def dress(self, kind: str, language: str, values: Mapping[str, object] | None = None) -> Dress:
        """The template with *values* for its placeholders."""
        logo = logo_of(self._site.settings.logo) if self._own_url else None
        # Letters are read elsewhere: without an address of our own there is none.
        shown = "" if logo is None else _LOGO.format(logo.html(self._site.name, self._own_url, mail=True))
        return Dress(await self.find(kind, language), {**(values or {}), "site": self._site.name}, shown)

    async def listed(self) -> list[Chosen]:
        """All that there are."""
        found = await self._database.read(SELECT_TEMPLATES, self._site.id, preference=ReadPreference.PRIMARY)
        return [Chosen(kind, language, version, Template(*texts)) for kind, language, version, *texts in found.rows]

    async def put(
        self, kind: LetterKind, language: str, template: Template, version: int
    ) -> tuple[Template, int]:
        """Keep a template in place of that of *version* (0: of none); an empty one is a reset. Gives it with its
        version.

        Raises:
            BadField: it can't be one, or there is no such language.
            Outdated: there is another one by now.
        """
        _known(language)
        kept = checked(kind, template)
        place = (self._site.id, kind.name, language)
        texts = (kept.subject, kept.intro, kept.footer)
        if kept == Template():
            if version and not await self._database.write(DROP_TEMPLATE, *place, version):
                raise Outdated
            if not version and await self.find(kind.name, language) != kept:
                raise Outdated
            return kept, 0
        if version:
            rows = await self._database.write(CHANGE_TEMPLATE, *place, *texts, version)
        else:
            rows = await self._database.write(ADD_TEMPLATE, *place, *texts)
        if not rows:
            raise Outdated
        return kept, int(rows[0][0])

    async def reset(self, kind: LetterKind, language: str) -> None:
        """Letters are as they come again.

        Raises:
            BadField: there is no such language.
        """
        _known(language)
        await self._database.write(DROP_TEMPLATE, self._site.id, kind.name, language, None)


def _known(language: str) -> Language:
    found: Any = next((one for one in LANGUAGES if one == language), None)
    if found is None:
        raise BadField(f"There are the languages {', '.join(LANGUAGES)}.", field="language")
    return found


def plain_text(message: EmailMessage) -> str:
    """The text of a letter."""
    part = message.get_body(("plain",))
    return "" if part is None else str(part.get_content())
