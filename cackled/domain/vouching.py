"""A site's own server says who a visitor is; who checks that is elsewhere (`cackled.identity`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec import Struct

from cackled.domain.people import Facts
from cackled.domain.site import Site


class Vouching(Struct, frozen=True):
    """Checks what a site's server signed.

    ``check`` takes the site, the token, and the site's own id of whom is known already (``""``: nobody). A token that
    may be used once may be sent again for the same person.

    Raises:
        Unauthorized: it does not hold.
    """

    check: Callable[[Site, str, str], Awaitable[Facts]]
