"""What commands share: reading words, needing areas, and who is asking."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

from cackled.admin.console import CommandError, Console, Data
from cackled.domain.page_keys import is_address, page_key
from cackled.events import FIRST_PRODUCT, Position, channel_id

_T = TypeVar("_T")

# The operator on whose behalf a command runs.
operator: ContextVar[str] = ContextVar("operator", default="")


@dataclass(frozen=True, slots=True)
class Command:
    """One operator command. ``mutates``: it changes something, so a reader of the audit log cares."""

    name: str
    usage: str
    help: str
    run: Callable[[Console, Sequence[str]], Awaitable[Data]]
    mutates: bool = False


class Usage(Exception):
    """Wrong words after the command."""


def need(area: _T | None, name: str) -> _T:
    """The area, where this process has it.

    Raises:
        CommandError: it has not.
    """
    if area is None:
        raise CommandError(f"this process has no {name}")
    return area


def number(text: str, name: str, low: int, high: int) -> int:
    """The number that *text* is.

    Raises:
        CommandError: it is none from *low* to *high*.
    """
    if not text.isascii() or not text.isdigit() or len(text) > 19 or not low <= int(text) <= high:
        raise CommandError(f"{name} is a number from {low} to {high}")
    return int(text)


def site_number(text: str) -> int:
    """The number of a site."""
    return number(text, "SITE", 1, 2**31 - 1)


def parse_channel(text: str) -> Position:
    """``SITE/CHANNEL``: the channel's id as in positions, else its key, or the address of its page, for its comments.

    Raises:
        CommandError: there is no site number before a slash.
    """
    site, slash, key = text.partition("/")
    if not slash or not key:
        raise CommandError("a channel is written SITE/ID or SITE/KEY")
    found = site_number(site)
    try:
        return Position.parse(text)
    except ValueError:
        return Position(found, channel_id(FIRST_PRODUCT, page_key(key) if is_address(key) else key))
