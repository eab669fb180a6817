"""The language in which moderators look for items: words, ``"a phrase"``, ``author:ann``, ``page:/news``,
``ip:192.0.2.7``, ``mark:link``, ``on:2026-11-29``, ``since:2026-11``, ``until:2026``.
A value may stand in quotation marks.

Everything has to match. What has a colon and begins with no such name is a word like any other.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_network

from msgspec.structs import replace

from cackled.domain.addresses import stored_address, stored_network
from cackled.domain.errors import BadField
from cackled.moderation.items import Found

LONGEST = 400
MOST_TERMS = 20
_TERM = re.compile(r'(?:(?P<name>[a-z]+):)?(?:"(?P<quoted>[^"]*)(?:"|$)|(?P<bare>[^\s"]+))', re.IGNORECASE)
_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{1,2}))?(?:-([0-9]{1,2}))?", re.ASCII)
NAMES = ("author", "page", "ip", "mark", "on", "since", "until")


def understand(text: str, found: Found | None = None) -> Found:
    """What *text* asks for, added to *found*.

    Raises:
        BadField: it is too long, or a value can't be one of its kind.
    """
    made = found or Found()
    text = "".join(one for one in text if one.isprintable() or one.isspace())
    if len(text) > LONGEST:
        raise BadField(f"At most {LONGEST} characters.", field="q")
    words = [made.words] if made.words else []
    for number, match in enumerate(_TERM.finditer(text)):
        if number >= MOST_TERMS:
            raise BadField(f"At most {MOST_TERMS} words.", field="q")
        name = (match["name"] or "").lower()
        value = (match["bare"] if match["quoted"] is None else match["quoted"]).strip()
        if name in NAMES:
            if value:
                made = _narrowed(made, name, value)
        elif (match["quoted"] is None or name) and any(one.isalpha() or one.isdecimal() for one in match[0]):
            words.append(match[0].replace('"', " "))
        elif value:
            # What has no letters, such as an emoji, is no word: it is looked for as it is, or all would match.
            words.append(value)
            made = replace(made, phrases=(*made.phrases, value.lower()))
    return replace(made, words=" ".join(words))


def _narrowed(made: Found, name: str, value: str) -> Found:
    if name == "author":
        return of_author(made, value, value[1:] if value.startswith("#") else "")
    if name == "page":
        return replace(made, pages=(*made.pages, value))
    if name == "ip":
        return replace(made, addresses=(*made.addresses, network(value)))
    if name == "mark":
        return replace(made, mark=value.lower()[:40])
    first, after = _days(value, name)
    since = max(made.since, first) if name in ("on", "since") else made.since
    until = min(filter(None, (made.until, after))) if name in ("on", "until") else made.until
    return replace(made, since=since, until=until)


def of_author(made: Found, value: str, number: str) -> Found:
    """Of a visitor, where *number* can be one's (64 bits); else of those whose name has the words of *value*."""
    if number.isascii() and number.isdigit() and len(number) < 20 and int(number) < 2**63:
        return replace(made, visitor=int(number))
    return replace(made, authors=(*made.authors, *value.lower().split()))


def network(value: str) -> str:
    """An address, or a network, as it is compared.

    Raises:
        BadField: it is none.
    """
    try:
        if "/" in value:
            return stored_network(value)
        ip_network(value)
        return stored_address(value) or value
    except ValueError:
        raise BadField(f"{value[:60]!r} is no address or network.", field="q") from None


def _days(value: str, name: str) -> tuple[str, str]:
    """The first moment of a day, month or year, and the first after it."""
    match = _DATE.fullmatch(value)
    try:
        if match is None:
            raise ValueError
        year, month, day = (int(one) if one else None for one in match.groups())
        assert year is not None
        first = date(year, month or 1, day or 1)
        if day:
            after = first + timedelta(days=1)
        elif month:
            after = date(year + month // 12, month % 12 + 1, 1)
        else:
            after = date(year + 1, 1, 1)
    except (ValueError, OverflowError):
        raise BadField(f"{name}: takes a date such as 2026-11-29, 2026-11 or 2026.", field="q") from None
    return tuple(datetime(one.year, one.month, one.day, tzinfo=UTC).isoformat() for one in (first, after))  # type: ignore[return-value]
