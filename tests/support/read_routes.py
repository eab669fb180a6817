"""Asks for everything that can be read, for tests that look for what must not be there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from cackled.api import core
from cackled.api.route import Caller
from cackled.features import registry
from tests.support.staff import StaffClient


async def read_all(
    case: Any, site: int, *, client: StaffClient | None = None, auth: str = "", ids: Mapping[str, str] = {},
    queries: Sequence[str] = ("",),
) -> AsyncIterator[tuple[str, Any]]:  # fmt: skip
    """The address and the answer of each GET route, with each of *queries*.

    *client* asks those that are for staff, *auth* (a visitor's token) all others. *ids* are what the path's parameters
    are, by name; the others are 1, or ``x`` where they are text.
    """
    known = {"site": str(site), **ids}
    for route in (*core.ROUTES, *registry().routes):
        own = route.caller in (Caller.STAFF, Caller.OWN_PAGE)
        if route.method != "GET" or own != (client is not None):
            continue
        path = "/api/v1" + route.path
        for name in [part[1:-1] for part in route.path.split("/") if part.startswith("{")]:
            path = path.replace("{" + name + "}", known.get(name, "x" if ":" in name else "1"))
        for query in queries:
            if client is None:
                yield path + query, await case.ask("GET", path + query, authorization=auth)
            else:
                yield path + query, await client.ask("GET", path + query)
