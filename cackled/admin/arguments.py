"""Checking for the areas that a command needs."""

from __future__ import annotations

from typing import TypeVar

from cackled.domain.commands import CommandError

_T = TypeVar("_T")


def need(area: _T | None, name: str) -> _T:
    """*area* itself, if this process has it.

    Raises:
        CommandError: this process does not have it.
    """
    if area is None:
        raise CommandError(f"this process has no {name}")
    return area
