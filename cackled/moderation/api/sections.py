"""Moderators of sections: what they see, decide and undo ends where their sections end."""

from __future__ import annotations

from collections.abc import Iterable

from cackled.api.calls import Call
from cackled.domain.errors import Forbidden, NotFound
from cackled.domain.staff import within
from cackled.moderation.queue import ActionRow, Queue


async def within_sections(call: Call, items: Iterable[str], *, gone: bool = False) -> None:
    """See that *items* are in the sections that the caller is for; with *gone* some may not be there any more.

    Raises:
        Forbidden: one is not. BadField, NotFound: one is no item.
    """
    if not call.colleague.sections:
        return
    queue = call.service(Queue)
    for item in items:
        try:
            detail = await queue.detail(item)
        except NotFound:
            if not gone:
                raise
        else:
            within(call.colleague, [detail.item.page.key])


async def own_action(call: Call, number: int) -> ActionRow:
    """An action of the log; who is for sections is told of their own, and no others.

    Raises:
        Forbidden: it is a colleague's. NotFound: there is none.
    """
    row = await call.service(Queue).action(number)
    if call.colleague.sections and row.who != call.colleague.actor:
        raise Forbidden("A colleague decided that, perhaps in another section.", slug="section")
    return row
