"""What the process has once for letters about conversations."""

from __future__ import annotations

from msgspec import Struct

from cackled.domain.signed_links import SignedLinks


class Resuming(Struct, frozen=True):
    """``links`` reads the tokens that resume a conversation; ``mails``: letters are sent at all."""

    links: SignedLinks
    mails: bool
