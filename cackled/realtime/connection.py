"""A live connection: a slotted object on the transport, which takes over from HTTP.

A class that inherits Twisted's Protocol carries a dict per connection; this one does not. It writes directly to the
socket where it can.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.interfaces import IProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from cackled.realtime import _direct
from cackled.realtime.channel import OWN, Subscription
from cackled.realtime.hub import Hub
from cackled.realtime.messages import Message, error

# CORKED: open, but output is collected so that it leaves in one segment.
CORKED, OPEN, CLOSING, DEAD = -1, 0, 1, 2


@implementer(IProtocol)
class Connection:
    """What WebSocket and EventSource connections share: sending, the bound on unsent bytes, and closing.

    A client is cut off once ``config.client_buffer`` bytes wait for it. It reconnects and resumes from its position.
    """

    __slots__ = ("_direct", "_pile", "hub", "ours", "state", "subscriptions", "transport")
    kind = ""
    form = OWN

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.subscriptions: list[Subscription] = []
        self.state = OPEN
        self.transport: Any = None
        self._direct = False
        # Whether the transport is one of our listeners': then `push` is the shortest way.
        self.ours = False
        self._pile: list[bytes] | None = None

    # IProtocol

    def makeConnection(self, transport: Any) -> None:
        """Start on *transport*."""
        self.transport = transport
        self.ours = _direct.own(transport)
        self._direct = self.ours or _direct.usable(transport)
        _direct.tune(transport)
        self.hub.join(self)
        self.connectionMade()

    def connectionMade(self) -> None:
        """The connection is live."""

    def dataReceived(self, data: bytes) -> None:
        """Bytes from the client."""

    def connectionLost(self, reason: Failure | None = None) -> None:
        """The connection is gone."""
        self.state = DEAD
        self.hub.leave(self)

    # Out

    def send(self, data: bytes) -> None:
        """Send *data* now, or as soon as the client takes it. Ends the client if it is dead or too far behind."""
        if self.state:
            if self.state == CORKED and self._pile is not None:
                self._pile.append(data)
            return
        if self.ours:
            held = self.transport.push(data)
            if held:
                self.behind(held)
        elif self._direct:
            held = _direct.send(self.transport, data)
            if held:
                self.behind(held)
        else:
            self.transport.write(data)
            self.behind(_direct.held(self.transport))

    def cork(self) -> None:
        """Collect output until `uncork`. Both must happen in the same reactor turn."""
        if self.state == OPEN:
            self.state = CORKED
            self._pile = []

    def uncork(self) -> None:
        """Send what was collected."""
        pile, self._pile = self._pile, None
        if self.state == CORKED:
            self.state = OPEN
            if pile:
                self.send(b"".join(pile))

    def behind(self, held: int) -> None:
        """Note that *held* bytes wait for the client (-1: the connection is dead); end it if that is too many."""
        if held < 0:
            self.hub.condemn(self, "dead")
        elif held > self.hub.config.client_buffer:
            self.hub.condemn(self, "slow")

    def room(self) -> int:
        """Bytes that may still be buffered for this client."""
        if self.state > OPEN:
            return 0
        return self.hub.config.client_buffer - _direct.held(self.transport) - sum(map(len, self._pile or ()))

    def overhead(self) -> int:
        """The size of a frame header."""
        return 10

    def deliver(self, subscription: Subscription, message: Message) -> None:
        """Send a message of a channel."""
        raise NotImplementedError

    def catch_up(self, subscription: Subscription, messages: Sequence[Message], end: Message, whole: bool) -> None:
        """Send what was missed, then *end*."""
        raise NotImplementedError

    def control(self, message: Message) -> None:
        """Send a message that belongs to no channel."""
        raise NotImplementedError

    def beat(self) -> None:
        """Send a heartbeat."""
        raise NotImplementedError

    def move(self, message: Message) -> None:
        """Tell the client to reconnect to another server."""
        self.control(message)

    def expire(self, subscription: Subscription) -> None:
        """Tell the client that its permission has run out, and close; a new permission comes with a new request."""
        self.refuse(subscription)

    def refuse(self, subscription: Subscription) -> None:
        """Tell the client that it needs a token for a channel, and close."""
        self.control(error("token", subscription.channel.sub))
        self.close("expired")

    # The end

    def close(self, reason: str) -> None:
        """Close the connection once everything is sent; abort it soon after if the client does not take it."""
        self.uncork()
        if self.state == OPEN:
            self.state = CLOSING
            self.transport.loseConnection()
            self.hub.linger(self)

    def abort(self) -> None:
        """End the connection at once."""
        if self.state != DEAD:
            self.state = DEAD
            self.transport.abortConnection()
            self.hub.leave(self)
