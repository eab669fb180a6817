"""Helpers of commands: parsing words, checking for areas, and the name of the operator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

from cackled.admin.console import CommandError, Console, Data
from cackled.domain.page_keys import is_address, page_key
from cackled.events import FIRST_PRODUCT, Position, channel_id

_T = TypeVar("_T")

# The operator for whom a command runs.
operator: ContextVar[str] = ContextVar("operator", default="")


@dataclass(frozen=True, slots=True)
class Command:
    """One operator command. ``mutates``: it changes something, which matters for the audit log."""

    name: str
    usage: str
    help: str
    run: Callable[[Console, Sequence[str]], Awaitable[Data]]
    mutates: bool = False


class Usage(Exception):
    """The words after the command are wrong."""


def need(area: _T | None, name: str) -> _T:
    """*area* itself, if this process has it.

    Raises:
        CommandError: this process does not have it.
    """
    if area is None:
        raise CommandError(f"this process has no {name}")
    return area


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
