"""What operator commands show of comments, and what they say of a removal."""

from __future__ import annotations

import shlex
from typing import NoReturn

from cackled.domain.commands import CommandError, Data, Fact, Facts, OperatorParts, Table
from cackled.domain.errors import Refused
from cackled.products.comments.removal import MOST, Found, Removals

# Characters of a text shown in a table.
_SHORT = 60


class RemovalCommands:
    """Comments as operators look for them and remove them. What can't be done is a `CommandError`."""

    def __init__(self, parts: OperatorParts) -> None:
        self._parts = parts

    def _of(self, site: int) -> Removals:
        return Removals(self._parts.site(site), self._parts.database)

    async def find(self, site: int, criterion: str, value: str, before: int | None) -> Table:
        """The newest matching comments, one per row."""
        removals = self._of(site)
        try:
            wanted = removals.value(criterion, value) if criterion else None
        except Refused as error:
            _refuse(error)
        return [_row(one) for one in await removals.find(criterion, wanted, before)]

    async def show(self, site: int, comment: int) -> Facts:
        """Everything known of one comment."""
        try:
            one = await self._of(site).one(comment)
        except Refused as error:
            _refuse(error)
        return {
            "site": site,
            "comment": str(one.id),
            "state": _STATES.get(one.status, str(one.status)),
            "page": one.page,
            "channel": f"{site}/{one.channel}",
            "url": one.url,
            "author": one.name or "-",
            "visitor": str(one.visitor),
            "ip": one.ip,
            "created": one.created,
            "edited": one.edited,
            "answer_to": None if one.parent is None else str(one.parent),
            "votes": f"+{one.up} -{one.down}",
            "reports": one.flags,
            "text": one.text,
        }

    async def remove(
        self, site: int, criterion: str, value: str, hours: float | None, confirmed: int | None, who: str
    ) -> Data:
        """Show what a removal would take; with the right number *confirmed*, remove it."""
        removals = self._of(site)
        try:
            wanted = removals.value(criterion, value)
        except Refused as error:
            _refuse(error)
        found = await removals.matching(criterion, wanted, None if hours is None else hours * 3600)
        again = shlex.join(["remove", str(site), criterion, value, *(() if hours is None else ("hours", f"{hours:g}"))])
        if not found:
            return "nothing matches"
        if confirmed is not None and confirmed != len(found):
            raise CommandError(f"nothing was removed: {len(found)} match now; look again: {again}")
        more = f" (the newest {MOST}; repeat for more)" if len(found) == MOST else ""
        if confirmed is None:
            newest = await removals.find(criterion, wanted)
            facts: Facts = {
                "would_be_removed": f"{len(found)} comments on {len({channel for _, channel in found})} pages{more}",
                "to_do_it": f"{again} confirm={len(found)}",
            }
            sections: dict[str, Facts | Table] = {"preview": facts, "the_newest": [_row(one) for one in newest[:5]]}
            return sections
        what = f"{criterion} {value}" + ("" if hours is None else f", {hours:g} h")
        number, count = await removals.remove([comment for comment, _ in found], what, who)
        undo = f"remove undo {site} {number} (within 7 days)"
        done: Facts = {"removed": count, "removal": number, "to_undo_it": undo}
        return done

    async def undo(self, site: int, removal: int) -> int:
        """Restore the comments of a removal."""
        try:
            return await self._of(site).undo(removal)
        except Refused as error:
            _refuse(error)

    async def removals(self, site: int) -> Table:
        """The removals of a site."""
        return [
            {"removal": one.id, "at": one.at, "who": one.who, "what": one.what, "undone": one.undone, "kept": one.kept}
            for one in await self._of(site).removals()
        ]


_STATES = {0: "pending", 1: "visible", 2: "spam", 3: "rejected", 4: "deleted"}


def _row(one: Found) -> Facts:
    text = " ".join(one.text.split())
    row: dict[str, Fact] = {
        "comment": str(one.id),
        "created": one.created[:16],
        "page": one.page if len(one.page) <= _SHORT else one.page[: _SHORT - 1] + "…",
        "author": one.name or "-",
        "visitor": str(one.visitor),
        "ip": one.ip,
        "reports": one.flags,
        "text": text if len(text) <= _SHORT else text[: _SHORT - 1] + "…",
    }
    return row


def _refuse(error: Refused) -> NoReturn:
    raise CommandError(error.detail) from None
