"""Where sites live: a node serves the sites of its own deployment, and of others knows the name and the address alone.

A site's number says where it lives (``[[deployments]] sites``); a pin says so where the number does not. Nothing of a
site is kept, read or passed on anywhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cackled.config import Deployment
from cackled.domain.errors import BadField, Misdirected

LAST = 2**31 - 1


class Residency:
    """The deployments as configured, and the pins as the catalog has them."""

    def __init__(self, own: str = "global", deployments: Sequence[Deployment] = ()) -> None:
        self.own = own
        self._known = {one.name: one for one in deployments}
        self._pins: Mapping[int, str] = {}

    @property
    def numbers(self) -> tuple[int, int]:
        """The first and the last number that a site made here may have."""
        here = self._known.get(self.own)
        return (1, LAST) if here is None else here.sites

    @property
    def pins(self) -> Mapping[int, str]:
        """The deployment of each site that is pinned."""
        return self._pins

    def pinned(self, pins: Mapping[int, str]) -> None:
        """These are the pins now."""
        self._pins = pins

    def home(self, site_id: int) -> str:
        """The deployment a site lives in; the own one where nothing says otherwise."""
        pin = self._pins.get(site_id)
        if pin is not None:
            return pin
        for name, one in self._known.items():
            if one.sites[0] <= site_id <= one.sites[1]:
                return name
        return self.own

    def is_here(self, site_id: int) -> bool:
        """Whether a site of that number may be kept and served here."""
        return self.home(site_id) == self.own

    def url(self, site_id: int) -> str:
        """The base URL of the other deployment that a site lives in; empty: it lives here, or nobody knows."""
        home = self.home(site_id)
        known = self._known.get(home)
        return known.url.rstrip("/") if known is not None and home != self.own else ""

    def check(self, site_id: int) -> None:
        """Make sure that a site may be kept and served here.

        Raises:
            Misdirected: it lives elsewhere; says where.
        """
        home = self.home(site_id)
        if home != self.own:
            raise Misdirected.to(home, self.url(site_id))

    def check_name(self, deployment: str) -> str:
        """*deployment*, if a site can be pinned to it.

        Raises:
            BadField: there is none of that name.
        """
        if deployment != self.own and deployment not in self._known:
            raise BadField(f"There is no deployment {deployment[:60]!r} among [[deployments]].", field="deployment")
        return deployment
