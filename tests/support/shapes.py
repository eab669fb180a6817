"""What is answered, told or made up is held to the declarations: neither more nor less than the Struct says."""

from __future__ import annotations

from typing import Any

import msgspec

from cackled.api import core
from cackled.api.route import Route
from cackled.api.router import Table
from cackled.events import CORE_EVENTS, EventType
from cackled.features import registry
from cackled.products.registry import Registry


def differences(shape: Any, value: Any) -> list[str]:
    """What *value*, from JSON, has another way than *shape* describes it; nothing: it is as described."""
    try:
        made = msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        return [str(error)]
    return _compare(msgspec.to_builtins(made), value, "$")


def _compare(wanted: Any, found: Any, place: str) -> list[str]:
    if isinstance(wanted, dict) and isinstance(found, dict):
        told = [f"{place}.{name} is not described" for name in found.keys() - wanted.keys()]
        told += [f"{place}.{name} is missing" for name in wanted.keys() - found.keys()]
        for name in wanted.keys() & found.keys():
            told += _compare(wanted[name], found[name], f"{place}.{name}")
        return sorted(told)
    if isinstance(wanted, list | tuple) and isinstance(found, list) and len(wanted) == len(found):
        return [one for n, value in enumerate(wanted) for one in _compare(value, found[n], f"{place}[{n}]")]
    return [] if wanted == found else [f"{place} is {found!r}, described as {wanted!r}"]


class Described:
    """The routes, first renders and events of a registry; without one, of all that there is."""

    def __init__(self, known: Registry | None = None) -> None:
        known = registry() if known is None else known
        self._table = Table((*core.ROUTES, *known.routes))
        self._widgets = {one.name: one for one in known.widgets}
        self._events = {one.type: one for one in (*CORE_EVENTS, *known.events)}

    def route(self, method: str, path: str) -> Route | None:
        """The route of a path below ``/api/v1``; None: there is none."""
        found = self._table.find(method.encode(), path.removeprefix("/api/v1/").encode().split(b"/"))
        return None if found is None else found.route

    def answer(self, method: str, path: str, status: int, value: Any) -> list[str]:
        """What an answer that is no problem has another way than its route says."""
        route = self.route(method, path)
        if route is None:
            return [f"there is no {method} {path}"]
        told = [] if status == route.status else [f"{method} {path} answers {route.status}, not {status}"]
        return told + ([] if route.answer is None else differences(route.answer, value))

    def first_page(self, name: str, value: dict[str, Any]) -> list[str]:
        """The same of an answer of ``/bootstrap`` for the widget of that name."""
        widget = self._widgets[name]
        rest = {key: one for key, one in value.items() if key not in ("site", "me", "access")}
        told = differences(widget.answer, rest)
        told += [f"{key} is missing" for key in ("site", "me") if key not in value]
        if widget.me is not None and value.get("me") is not None:
            told += [f"me: {one}" for one in differences(widget.me, value["me"])]
        return told

    def event(self, kind: str, value: Any) -> list[str]:
        """The same of the data of an event."""
        event: EventType | None = self._events.get(kind)
        if event is None:
            return [f"no product declares {kind}"]
        return [] if event.data is None else [f"{kind}: {one}" for one in differences(event.data, value)]
