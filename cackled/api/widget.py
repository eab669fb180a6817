"""What a widget declares of its first render, which `/bootstrap` answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from msgspec import Struct

from cackled.api.context import ApiContext
from cackled.domain.read_options import Reading
from cackled.domain.sessions import Session
from cackled.domain.site import Site

_T = TypeVar("_T")


class FirstRender:
    """One first render: for which site, by whom, of what. ``query`` is the widget's Struct."""

    __slots__ = ("address", "context", "query", "reading", "session", "site")

    def __init__(
        self, context: ApiContext, site: Site, query: Any, session: Session | None, reading: Reading, address: str
    ) -> None:
        self.context = context
        self.site = site
        self.query = query
        self.session = session
        self.reading = reading
        self.address = address

    def service(self, kind: type[_T]) -> _T:
        """The service of *kind* for the site."""
        return self.context.service(kind, self.site)


class FirstPage(Struct, frozen=True):
    """What a first render shows: members of the JSON answer as text without outer braces, made at ``seq``.

    ``members`` hold nothing of any one visitor; ``me`` is the caller's own part, a JSON value.
    """

    members: bytes
    seq: int
    me: bytes


class Widget(Struct, frozen=True, kw_only=True):
    """A widget with a first render.

    ``name`` is the option ``widget`` of the embed call; ``query`` describes the arguments; ``key`` gives the channel's
    key of that and the site; ``page`` makes the answer; ``answer`` describes what it adds to ``site`` and
    ``me``, and ``me`` that member, where it is not null.
    """

    name: str
    query: type[Struct]
    key: Callable[[Any, Site], str]
    page: Callable[[FirstRender], Awaitable[FirstPage]]
    answer: type[Struct]
    me: type[Struct] | None = None
    # The product that declares it; said by `cackled.products.registry.Registry`.
    product: str = ""
