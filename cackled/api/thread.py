"""What a product declares of a conversation as a page for readers without scripts, which `/threads` answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from msgspec import Struct

from cackled.api.context import ApiContext
from cackled.domain.read_options import Reading
from cackled.domain.sessions import Session
from cackled.domain.site import Site
from cackled.languages import Language, Words

_T = TypeVar("_T")


class ThreadRender:
    """One page of a conversation: of which site, of what, in which language.

    ``query`` is the thread's Struct. ``base`` is where our own addresses begin (``https://host``). ``open`` says
    whether everybody may write there, so that a form makes sense.
    """

    __slots__ = ("base", "context", "fragment", "key", "language", "open", "query", "reading", "site", "widget")

    def __init__(
        self, context: ApiContext, site: Site, widget: str, query: Any, key: str, reading: Reading, *,
        base: str, language: Language, open: bool, fragment: bool,
    ) -> None:  # fmt: skip
        self.context = context
        self.site = site
        self.widget = widget
        self.query = query
        self.key = key
        self.reading = reading
        self.base = base
        self.language = language
        self.open = open
        self.fragment = fragment

    def service(self, kind: type[_T]) -> _T:
        """The service of *kind* for the site."""
        return self.context.service(kind, self.site)


class ThreadPage(Struct, frozen=True, kw_only=True):
    """A page of a conversation, made at ``seq``.

    ``html`` is the conversation, ready for the page; ``data`` is what it is in the words of schema.org (None: nothing
    to tell); ``title`` is one line of text. ``url`` is the site's own page that the conversation stands on, or ``""``.
    ``next`` and ``previous`` are the arguments of the pages beside it that change; None: there is none.
    ``empty``: nobody has written there.
    """

    title: str
    html: str
    seq: int
    data: Any = None
    url: str = ""
    next: Mapping[str, str] | None = None
    previous: Mapping[str, str] | None = None
    empty: bool = False


class ThreadPost(Struct, frozen=True, kw_only=True):
    """What somebody sent with a form without scripts.

    ``fields`` are those that the form declared, as text; ``seconds``: how long the form was open; ``trap``: what stood
    in the field that people don't see; ``once``: the same for what is sent twice; ``anyway``: they were asked to change
    it and did not want to.
    """

    context: ApiContext
    site: Site
    key: str
    fields: Mapping[str, str]
    session: Session
    address: str
    language: Language
    url: str = ""
    title: str = ""
    trap: str = ""
    seconds: float | None = None
    once: str = ""
    anyway: bool = False

    def service(self, kind: type[_T]) -> _T:
        """The service of *kind* for the site."""
        return self.context.service(kind, self.site)


class Posted(Struct, frozen=True):
    """What became of it: ``html`` shows it; ``link`` is its place on the site's page, or ``""``; ``held``: it waits."""

    html: str
    link: str
    held: bool


class ThreadForm(Struct, frozen=True, kw_only=True):
    """The form of a thread, for those without scripts.

    - ``fields``: names of its fields, each at most ``longest`` characters.
    - ``show``: their HTML, from the language and what they hold, below ``prefix`` for ids.
    - ``about``: what is shown above the form of the fields given (what is answered), or ``""``.
    - ``preview``: what it will look like. Raises Refused.
    - ``post``: writes it. Raises Refused.
    - ``problems``: words for what is refused that are the product's own.
    - ``limit``: the name of the rate limit that posting draws from; ``preview_limit``: of looking at it.
    """

    fields: tuple[str, ...]
    longest: int
    show: Callable[[Language, Mapping[str, str]], str]
    about: Callable[[ThreadPost], Awaitable[str]]
    preview: Callable[[ThreadPost], str]
    post: Callable[[ThreadPost], Awaitable[Posted]]
    limit: str
    preview_limit: str
    problems: Callable[[Language], Words] | None = None


class Conversation(Struct, frozen=True):
    """One conversation for a sitemap; ``changed`` as W3C-DTF has it."""

    key: str
    url: str
    changed: str


class Thread(Struct, frozen=True, kw_only=True):
    """A product's conversations as pages.

    ``name`` is the argument ``widget``, as with ``/bootstrap``; ``query`` describes the arguments; ``key`` gives the
    channel's key of that and the site; ``page`` makes the page. ``count`` gives how many conversations of a site have
    something to read, and ``conversations`` those whose channels' ids are in a range (from, below).
    """

    name: str
    query: type[Struct]
    key: Callable[[Any, Site], str]
    page: Callable[[ThreadRender], Awaitable[ThreadPage]]
    form: ThreadForm | None = None
    count: Callable[[ApiContext, Site], Awaitable[int]] | None = None
    conversations: Callable[[ApiContext, Site, int, int], Awaitable[list[Conversation]]] | None = None
    # The product that declares it; said by `cackled.products.registry.Registry`.
    product: str = ""
