"""Redirects ``/widget.js?site=17`` to the deployment where the site lives."""

from __future__ import annotations

from typing import Any

from twisted.web.resource import IResource, Resource

from cackled.domain.residency import LAST, Residency
from cackled.transport.response import Response

# A site does not move often, and a browser asks for the loader on every page.
_CACHE = b"public, max-age=300"


class LoaderRedirect(Resource):
    """Wraps the loader; knows the addresses of other deployments."""

    isLeaf = True

    def __init__(self, loader: IResource, residency: Residency) -> None:
        super().__init__()
        self._loader = loader
        self._residency = residency

    def render(self, request: Any) -> Any:
        """302 to the loader of the site's deployment; else the loader."""
        given = request.args.get(b"site", ())
        if len(given) == 1 and given[0].isdigit() and len(given[0]) <= 10 and 0 < int(given[0]) <= LAST:
            url = self._residency.url(int(given[0]))
            if url:
                target = f"{url}/widget.js?site={int(given[0])}".encode()
                return Response(302, [(b"location", target), (b"cache-control", _CACHE)])
        return self._loader.render(request)
