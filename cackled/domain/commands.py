"""Operator commands as a feature declares them: words in, plain data out.

The core's are in `cackled.admin.commands`; all of them are run by telnet console, command line and admin HTTP alike.
Data is plain, so text and JSON show the same answer. In names, ``_seconds`` and ``_bytes`` give the unit; the text view
formats them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from msgspec import Struct

from cackled.database.routing import Database
from cackled.domain.errors import Misdirected, NotFound
from cackled.domain.page_keys import is_address, page_key
from cackled.domain.site import Site
from cackled.domain.sites import SiteDirectory
from cackled.events import FIRST_PRODUCT, Position, channel_id

Fact = str | int | float | bool | None | Sequence[str]
# Names and values that describe one thing.
Facts = Mapping[str, Fact]
# Rows of a table; the first row names the columns.
Table = Sequence[Facts]
# One line, facts, a table, or named sections of those.
Data = str | Facts | Table | Mapping[str, "Facts | Table"]

# The operator for whom a command runs.
operator: ContextVar[str] = ContextVar("operator", default="")


class CommandError(Exception):
    """A command can't be carried out; the message is one line for the operator."""


class Usage(Exception):
    """The words after the command are wrong."""


class OperatorParts(Struct, frozen=True, kw_only=True):
    """What the commands of features use.

    ``evict`` is told each position that a write led to; ``clock`` is the reactor; ``shared`` is what the process has
    once, by kind; ``own_url`` is where our own addresses begin, or ``""``.
    """

    sites: SiteDirectory
    database: Database
    evict: Callable[[Position], None]
    clock: Any = None
    shared: Mapping[type, Any] = {}
    own_url: str = ""

    def site(self, number: int) -> Site:
        """The site with this number.

        Raises:
            CommandError: it does not exist, or belongs to another deployment.
        """
        return known_site(self.sites, number)


class Command(Struct, frozen=True):
    """One operator command. ``mutates``: it changes something, which matters for the audit log.

    ``run`` gets the `OperatorParts` and the words after the command. It raises `CommandError`, or `Usage`, to which
    ``usage`` is the answer.
    """

    name: str
    usage: str
    help: str
    run: Callable[[Any, Sequence[str]], Awaitable[Data]]
    mutates: bool = False


def known_site(directory: SiteDirectory, site: int) -> Site:
    """The site with this number.

    Raises:
        CommandError: it does not exist, or belongs to another deployment.
    """
    try:
        return directory.get(site)
    except Misdirected as error:
        raise CommandError(error.detail) from None
    except NotFound:
        raise CommandError(f"there is no site {site}") from None


def number(text: str, name: str, low: int, high: int) -> int:
    """Parse *text* as a number from *low* to *high*.

    Raises:
        CommandError: it is not one.
    """
    if not text.isascii() or not text.isdigit() or len(text) > 19 or not low <= int(text) <= high:
        raise CommandError(f"{name} is a number from {low} to {high}")
    return int(text)


def site_number(text: str) -> int:
    """Parse a site's number."""
    return number(text, "SITE", 1, 2**31 - 1)


def parse_channel(text: str) -> Position:
    """Parse ``SITE/CHANNEL``: the channel's id, or else its key or the address of its page, for its comments.

    Raises:
        CommandError: there is no site number before the slash.
    """
    site, slash, key = text.partition("/")
    if not slash or not key:
        raise CommandError("a channel is written SITE/ID or SITE/KEY")
    found = site_number(site)
    try:
        return Position.parse(text)
    except ValueError:
        return Position(found, channel_id(FIRST_PRODUCT, page_key(key) if is_address(key) else key))
