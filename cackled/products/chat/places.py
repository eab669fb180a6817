"""Where visitors are, as far as operators and invitations care: a country."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct


class Places(Struct, frozen=True):
    """``country`` gives that of an address: two capital letters, or ``""``."""

    country: Callable[[str | None], str]
