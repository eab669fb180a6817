"""The parts that every call can use, whichever product it belongs to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from msgspec import Struct

from cackled.api.staff import StaffGate
from cackled.database.query import ReadPreference
from cackled.domain.conversation_access import Doors
from cackled.domain.grants import Grants
from cackled.domain.limits import CallLimits
from cackled.domain.sessions import Sessions
from cackled.domain.signed_media import SignedMedia
from cackled.domain.site import Site
from cackled.domain.sites import SiteDirectory

_T = TypeVar("_T")


class ApiContext(Struct, frozen=True, kw_only=True):
    """The parts that calls are answered with.

    ``services`` make the service of a kind for one site; ``shared`` has what the process has once, by kind;
    ``client_address`` gives the address of a request's client; ``count_read`` is told each read of a site, with its
    readPreference; ``gate`` finds out who makes a call of staff; ``own_url`` is the
    base of our addresses for other servers, or ``""``.
    """

    sites: SiteDirectory
    sessions: Sessions
    grants: Grants
    doors: Doors
    limits: CallLimits
    services: Mapping[type, Callable[[Site], Any]]
    client_address: Callable[[Any], str]
    count_read: Callable[[int, ReadPreference], None]
    gate: StaffGate
    wall_time: Callable[[], float]
    own_url: str = ""
    shared: Mapping[type, Any] = {}

    def signed(self, text: bytes, site: Site) -> bytes:
        """*text* for a reader of *site*: addresses of pictures that not everybody may see are signed."""
        signer: SignedMedia | None = self.shared.get(SignedMedia)
        return text if signer is None else signer.in_site(text, site)

    def service(self, kind: type[_T], site: Site) -> _T:
        """The service of *kind* for *site*."""
        made: _T = self.services[kind](site)
        return made
