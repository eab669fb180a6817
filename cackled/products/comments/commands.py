"""Operator commands on comments: list and search, remove one or all that match, undo that, close a conversation."""

from __future__ import annotations

from collections.abc import Sequence

from cackled.domain.channels import page_keys
from cackled.domain.commands import (
    Command,
    CommandError,
    Data,
    OperatorParts,
    Usage,
    number,
    operator,
    parse_channel,
    site_number,
)
from cackled.domain.errors import Refused
from cackled.products.comments.key_commands import KeyCommands
from cackled.products.comments.moderation import CommentModeration
from cackled.products.comments.removal_commands import RemovalCommands

_CRITERIA = ("page", "visitor", "ip", "name", "text")
_MOST_HOURS = 24.0 * 366 * 10


def _comment(text: str) -> int:
    return number(text, "COMMENT", 1, 2**63 - 1)


async def comments(parts: OperatorParts, words: Sequence[str]) -> Data:
    """List, search or show comments."""
    area = RemovalCommands(parts)
    given, before = list(words), None
    if len(given) >= 3 and given[-2] == "before":
        before, given = _comment(given[-1]), given[:-2]
    match given:
        case [site]:
            return await area.find(site_number(site), "", "", before)
        case [site, "show", comment] if before is None:
            return await area.show(site_number(site), _comment(comment))
        case [site, criterion, *value] if value and criterion in _CRITERIA:
            return await area.find(site_number(site), criterion, " ".join(value), before)
    raise Usage


async def remove(parts: OperatorParts, words: Sequence[str]) -> Data:
    """Remove one comment, or all that match (shown first for confirmation), or undo a removal."""
    given = list(words)
    match given:
        case [site, comment] if site != "list":
            return f"removed, {await _remove_one(parts, site_number(site), _comment(comment))}"
        case ["list", site]:
            return await RemovalCommands(parts).removals(site_number(site))
        case ["undo", site, removal]:
            wanted = number(removal, "REMOVAL", 1, 2**63 - 1)
            count = await RemovalCommands(parts).undo(site_number(site), wanted)
            return {"site": site_number(site), "removal": wanted, "brought_back": count}
    return await _matching(parts, given)


async def _remove_one(parts: OperatorParts, site: int, comment: int) -> str:
    try:
        return str(await CommentModeration(parts.site(site), parts.database).remove(comment))
    except Refused as error:
        raise CommandError(error.detail) from None


async def lock(parts: OperatorParts, words: Sequence[str]) -> Data:
    """Close a conversation, or open it again."""
    match list(words):
        case [name] | [name, "on"]:
            locked = True
        case [name, "off"]:
            locked = False
        case _:
            raise Usage
    position = parse_channel(name)
    moderation = CommentModeration(parts.site(position.site), parts.database)
    try:
        now = await moderation.lock(position.channel, locked)
    except Refused as error:
        raise CommandError(error.detail) from None
    page = (await page_keys(parts.database, position.site, [position.channel])).get(position.channel)
    return f"{now}{f' ({page})' if page else ''} is {'closed' if locked else 'open'}"


async def _matching(parts: OperatorParts, given: list[str]) -> Data:
    confirmed: int | None = None
    if given and given[-1].startswith("confirm="):
        confirmed = number(given.pop()[8:], "confirm=N: N", 0, 10**6)
    hours: float | None = None
    if len(given) >= 5 and given[-2] == "hours":
        hours = _hours(given[-1])
        given = given[:-2]
    if len(given) < 3 or given[1] not in _CRITERIA:
        raise Usage
    site, criterion, value = site_number(given[0]), given[1], " ".join(given[2:])
    area = RemovalCommands(parts)
    return await area.remove(site, criterion, value, hours, confirmed, operator.get())


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = -1.0
    if not 0 < hours <= _MOST_HOURS:
        raise CommandError("hours N: N is a number above 0")
    return hours


async def normalise(parts: OperatorParts, words: Sequence[str]) -> Data:
    """Carry the conversations of whole addresses over; shown first."""
    given = list(words)
    confirmed = given[-1:] == ["confirm"]
    if confirmed:
        given.pop()
    match given:
        case [site]:
            rule = None
        case [site, "path" | "host" as rule]:
            pass
        case _:
            raise Usage
    return await KeyCommands(parts).normalise(site_number(site), rule, confirmed)


COMMANDS = (
    Command("lock", "SITE/CHANNEL [on|off]", "close a conversation, or open it again", lock, mutates=True),
    Command(
        "comments",
        "SITE [page KEY | visitor ID | ip ADDRESS | name WORDS | text WORDS] [before COMMENT] | SITE show COMMENT",
        "the newest comments, all or those that match; or all of one",
        comments,
    ),
    Command(
        "remove",
        "SITE COMMENT | SITE page|visitor|ip|name|text VALUE [hours N] [confirm=COUNT] | list SITE | undo SITE REMOVAL",
        "delete a comment; or all that match: shown first, done with confirm, undone for a week",
        remove,
        mutates=True,
    ),
    Command(
        "normalise",
        "SITE [path|host] [confirm]",
        "carry conversations whose keys are whole addresses, as in former releases, over to the keys of their pages, "
        "with the host or without: shown first, done with confirm, may be repeated",
        normalise,
        mutates=True,
    ),
)
