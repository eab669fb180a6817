"""Operator commands about accounts of staff."""

from __future__ import annotations

from collections.abc import Sequence

from cackled.admin.arguments import need
from cackled.admin.console import Console
from cackled.domain.commands import Command, CommandError, Data, Usage, site_number


async def _account(console: Console, words: Sequence[str]) -> Data:
    area = need(console.accounts, "accounts")
    match list(words):
        case [] | ["list"]:
            return await area.accounts()
        case ["add", email, *options] if not email.startswith("-"):
            role, site = _appointment(options)
            return await area.add(email, role, site)
        case ["link", email]:
            return await area.link(email)
        case ["remove", email]:
            return await area.remove(email)
    raise Usage


def _appointment(options: Sequence[str]) -> tuple[str, int]:
    """``--role ROLE --site N``, in any order; the site is 1 where only a role is given."""
    given: dict[str, str] = {}
    words = list(options)
    while words:
        name, equals, value = words.pop(0).partition("=")
        if name not in ("--role", "--site") or name in given:
            raise Usage
        if not equals:
            if not words:
                raise Usage
            value = words.pop(0)
        given[name] = value
    if "--site" in given and "--role" not in given:
        raise CommandError("say which role on that site: --role owner, admin, moderator, operator or analyst")
    return given.get("--role", ""), site_number(given.get("--site", "1"))


COMMANDS = (
    Command(
        "account",
        "[list | add EMAIL [--role ROLE --site N] | link EMAIL | remove EMAIL]",
        "accounts for the panel; a new one gets a link that works once",
        _account,
        mutates=True,
    ),
)
