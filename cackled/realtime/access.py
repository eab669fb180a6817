"""Who may subscribe to which channel: parses the query of a realtime request, and asks the injected access rules.

The rules themselves (sites, origins, tokens) come from the application.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from inspect import isawaitable
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred

from cackled.events import Position
from cackled.realtime import messages
from cackled.realtime.channel import Admit, Client
from cackled.realtime.framing import Limits
from cackled.realtime.hub import Hub
from cackled.realtime.messages import Message

TOKEN_LENGTH = 2_048
# Tabs of a browser share one connection, and each tab may have its own token.
MOST_TOKENS = 16
_WAIT = re.compile(rb"[0-9]{1,4}(\.[0-9]{1,3})?", re.ASCII)


class Refusal(Struct, frozen=True):
    """Why a subscription is refused: HTTP *status* (404 unknown site, 403 origin, 401 token, 429 too many) and a slug.

    ``wait``: seconds after which a new attempt may succeed.
    """

    status: int
    type: str
    detail: str = ""
    wait: float | None = None


Tokens = tuple[str, ...]
# (site, channel, origin or None, tokens) -> None if allowed, else a Refusal. May be a coroutine or a Deferred.
Authorize = Callable[[int, int, str | None, Tokens], Refusal | Awaitable[Refusal | None] | None]
# (site, channel, tokens) -> the name shown to others in the channel for the holder of the tokens, or "".
NameOf = Callable[[int, int, Tokens], str]
# (site, channel, tokens) -> seconds for which the holder of the tokens may listen, or None for no time limit.
LeftOf = Callable[[int, int, Tokens], float | None]
# (site, channel, guard, tokens) -> seconds for which the holder of the tokens may listen to a channel that *guard*
# protects ("": nothing does): None for no time limit, 0 not at all.
Admits = Callable[[int, int, str, Tokens], float | None]

# (address, cost) -> seconds to wait, or None if the address may spend this cost now.
Charge = Callable[[str, float], float | None]
# Cost of a subscription, in reads: for a channel that the database must be asked about, and for one in memory.
UNKNOWN_COST = 1.0
KNOWN_COST = 0.1


class QueryError(ValueError):
    """The query of a realtime request is invalid; *field* names the parameter."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field
        self.detail = detail


class Query(Struct, frozen=True):
    """The parsed query of a realtime request."""

    positions: tuple[Position, ...]
    tokens: Tokens = ()
    wait: float | None = None


class Gate:
    """Checks permission with the injected rules, and subscribes clients at the hub."""

    def __init__(
        self, hub: Hub, authorize: Authorize, name_of: NameOf | None = None, seconds_left: LeftOf | None = None,
        charge: Charge | None = None, admits: Admits | None = None,
    ) -> None:  # fmt: skip
        self.hub = hub
        self._admits = admits
        self._charge = charge
        self._authorize = authorize
        self._name_of = name_of
        self._left_of = seconds_left
        settings = hub.config
        self.limits = Limits(settings.max_message, settings.max_message)
        # The first message of every connection.
        self.hello: Message = messages.hello(
            settings.heartbeat, max_subscriptions=settings.max_subscriptions, max_message=messages.CLIENT_MESSAGE
        )

    def name(self, place: Position, tokens: Tokens) -> str:
        """The name shown to others in the channel for the holder of *tokens*; "" if there is none."""
        return self._name_of(place.site, place.channel, tokens) if tokens and self._name_of is not None else ""

    def left(self, place: Position, tokens: Tokens) -> float | None:
        """Seconds for which the holder of *tokens* may listen to a channel from now on; None for no time limit."""
        return self._left_of(place.site, place.channel, tokens) if tokens and self._left_of is not None else None

    def charge(self, address: str, places: Sequence[Position]) -> Refusal | None:
        """Charge *address* for subscribing to *places* (see `UNKNOWN_COST`).

        Returns None if it may, else a 429 refusal.
        """
        if self._charge is None or not places:
            return None
        known = self.hub.known
        cost = sum(KNOWN_COST if known(place.site, place.channel) else UNKNOWN_COST for place in places)
        wait = self._charge(address, cost)
        return None if wait is None else Refusal(429, "too-fast", "Too many subscriptions from there.", wait)

    def subscribe(
        self, client: Client, place: Position, tokens: Tokens = (), current: Callable[[], Tokens] | None = None
    ) -> None:
        """Subscribe *client*, with the name and the time limit that *tokens* grant.

        The caller has checked `ask` before. *current* gives the tokens that the client has later.
        """
        if tokens:
            name, left = self.name(place, tokens), self.left(place, tokens)
            self.hub.subscribe(client, place, name, left, self._admission(place, current or (lambda: tokens)))
        else:
            self.hub.subscribe(client, place)

    def _admission(self, place: Position, tokens: Callable[[], Tokens]) -> Admit | None:
        admits = self._admits
        return None if admits is None else lambda guard: admits(place.site, place.channel, guard, tokens())

    def ask(self, place: Position, origin: str | None, tokens: Tokens) -> Refusal | Deferred[Refusal | None] | None:
        """Whether *origin* with *tokens* may listen to the channel of *place*.

        Returns None if it may, a `Refusal` if not, or a Deferred of either when the answer takes time.
        """
        answer = self._authorize(place.site, place.channel, origin, tokens)
        if answer is None or isinstance(answer, Refusal | Deferred):
            return answer
        assert isawaitable(answer)
        return Deferred.fromCoroutine(_wait_for(answer))

    def ask_all(
        self, places: Sequence[Position], origin: str | None, tokens: Tokens
    ) -> Refusal | Deferred[Refusal | None] | None:
        """As `ask` for several *places*: None if all are allowed, else the first refusal."""
        for number, place in enumerate(places, 1):
            answer = self.ask(place, origin, tokens)
            if isinstance(answer, Deferred):
                return Deferred.fromCoroutine(self._ask_rest(answer, places[number:], origin, tokens))
            if answer is not None:
                return answer
        return None

    async def _ask_rest(
        self, first: Deferred[Refusal | None], rest: Sequence[Position], origin: str | None, tokens: Tokens
    ) -> Refusal | None:
        # A loop, not recursion: the stack would become as deep as there are places.
        answer = await first
        for place in rest:
            if answer is not None:
                break
            following = self.ask(place, origin, tokens)
            answer = await following if isinstance(following, Deferred) else following
        return answer


async def _wait_for(answer: Awaitable[Refusal | None]) -> Refusal | None:
    return await answer


def read_query(args: Mapping[bytes, Sequence[bytes]], most: int, *, last_event_id: bytes | None = None) -> Query:
    """Read ``sub`` (repeatable, at most *most*), ``token`` (repeatable), ``wait`` and ``lastEventId``.

    A position in *last_event_id* (the header) or ``lastEventId`` wins over the ``sub`` of the same channel; positions
    of channels that no ``sub`` names are ignored. A channel named twice is an error.

    Raises:
        QueryError: something is malformed, doubled or too many.
    """
    subs = args.get(b"sub", ())
    if len(subs) > most:
        raise QueryError("sub", f"At most {most} subscriptions.")
    positions: dict[tuple[int, int], Position] = {}
    for text in subs:
        position = _position("sub", text)
        key = (position.site, position.channel)
        if key in positions:
            raise QueryError("sub", "A channel is named twice.")
        positions[key] = position
    if last_event_id is None:
        last_event_id = _one(args, b"lastEventId")
    if last_event_id:
        places = last_event_id.split(b" ")
        if len(places) > most:
            raise QueryError("lastEventId", f"At most {most} positions.")
        for text in places:
            position = _position("lastEventId", text)
            key = (position.site, position.channel)
            if key in positions and position.seq >= 0:
                positions[key] = position
    tokens = [token for token in args.get(b"token", ()) if token]
    if len(tokens) > MOST_TOKENS or any(len(token) > TOKEN_LENGTH for token in tokens):
        raise QueryError("token", "There are too many tokens, or one is too long.")
    wait = _one(args, b"wait")
    if wait is not None and _WAIT.fullmatch(wait) is None:
        raise QueryError("wait", "Seconds, as a decimal number.")
    return Query(
        tuple(positions.values()),
        tuple(token.decode("latin-1") for token in tokens),
        None if wait is None else float(wait),
    )


def _position(field: str, text: bytes) -> Position:
    try:
        return Position.parse(text.decode("ascii"))
    except ValueError:
        raise QueryError(field, "A position is written site/channel@seq.") from None


def _one(args: Mapping[bytes, Sequence[bytes]], name: bytes) -> bytes | None:
    values = args.get(name, ())
    if len(values) > 1:
        raise QueryError(name.decode("ascii"), "Given more than once.")
    return values[0] if values else None


def origin_of(request: Any) -> str | None:
    """The request's Origin header as received; None if there is none.

    Raises:
        QueryError: there is more than one, or it is not printable ASCII.
    """
    values = request.requestHeaders.getRawHeaders(b"origin") or ()
    if not values:
        return None
    text: str = values[0].decode("latin-1")
    if len(values) > 1 or len(text) > 300 or not text.isascii() or not text.isprintable():
        raise QueryError("origin", "The Origin header is malformed.")
    return text
