"""What products say of their private channels: which they are, and who may listen there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

# Takes a channel's key; tells whether listening there needs a proof.
Private = Callable[[str], bool]


class Proof(Protocol):
    """Checks what visitors show to listen to private channels of a product. It asks no database."""

    def use(self, secret: bytes) -> None:
        """Check by *secret*, which all nodes share. Before that nothing holds."""

    def holds(self, site: int, key: str, token: str) -> bool:
        """Whether *token* lets its bearer listen to the channel *key*."""


def always(key: str) -> bool:
    """All channels of a product are private."""
    return True


def guard(product: str, key: str) -> str:
    """How the hub names what protects a private channel."""
    return f"{product}:{key}"
