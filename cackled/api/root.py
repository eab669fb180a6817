"""The resource of ``/api/v1``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from cackled.api import core, openapi
from cackled.api.calls import json_response
from cackled.api.context import ApiContext
from cackled.api.dispatch import Dispatcher
from cackled.api.route import Route
from cackled.api.router import Router, Table
from cackled.transport.response import Response


def api_resource(
    context: ApiContext, routes: Iterable[Route], problems: Mapping[str, int], extra: openapi.ExtraPaths
) -> Router:
    """The core's routes and *routes*, and their description.

    Raises:
        ValueError: two routes are in each other's way, or one draws from a limit that there is not.
    """
    table = Table((*core.ROUTES, *routes))
    for route in table.routes:
        if route.limit and route.limit not in context.limits:
            raise ValueError(f"{route.name}: there is no limit {route.limit}")
        if not (route.about_site or route.for_own_pages):
            raise ValueError(f"{route.name}: {route.caller.value} is one of a site")

    @cache
    def document() -> dict[str, Any]:
        # With the first question: it takes some 150 ms, and most processes are never asked.
        return openapi.document(table.routes, problems, extra)

    def describe() -> Response:
        return json_response(document(), 200, (b"access-control-allow-origin", b"*"))

    dispatcher = Dispatcher(context)
    router = Router(table, dispatcher.answer, dispatcher.preflight, {b"openapi.json": describe})
    router.document = document
    return router
