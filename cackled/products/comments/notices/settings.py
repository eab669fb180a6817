"""Whether this server sends mail to followers."""

from __future__ import annotations

from msgspec import Struct


class Sender(Struct, frozen=True):
    """``able``: there is a mail server, and it is known what links begin with."""

    able: bool
    own_url: str
