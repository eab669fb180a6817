"""Formulas of comments as MathML: asked for by pages that have some. The work is done in a thread."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from cackled.domain.formulas import mathml


class Typesetter:
    """Typesets formulas; *in_thread* runs a function elsewhere."""

    def __init__(self, in_thread: Callable[..., Awaitable[Any]]) -> None:
        self._in_thread = in_thread

    async def typeset(self, formulas: list[str], *, block: bool) -> list[str | None]:
        """The MathML of each; None where it can't be shown."""
        if not formulas:
            return []
        made: list[str | None] = await self._in_thread(_typeset, formulas, block)
        return made


def _typeset(formulas: list[str], block: bool) -> list[str | None]:
    return [mathml(one, block=block) for one in formulas]
