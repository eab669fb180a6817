"""The SMTP side of answers by mail (RFC 5321). Importing it installs a reactor: done when the daemon listens."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.mail import smtp
from zope.interface import implementer

from cackled.products.chat.replies_by_mail import MOST_BYTES, MOST_OPEN, SILENCE, MailReplies, later


@implementer(smtp.IMessage)
class _Letter:
    """A letter as it comes in."""

    def __init__(self, replies: MailReplies, where: tuple[int, int]) -> None:
        self._replies = replies
        self._where = where
        self._lines: list[bytes] = []
        self._bytes = 0

    def lineReceived(self, line: bytes) -> None:
        """A line of it."""
        self._bytes += len(line) + 2
        if self._bytes > MOST_BYTES:
            self._lines = []
            raise smtp.SMTPServerError(552, b"The letter is too long")
        self._lines.append(line)

    def eomReceived(self) -> Deferred[Any]:
        """It is whole."""
        return later(self._said())

    async def _said(self) -> None:
        try:
            await self._replies.say(self._where, b"\r\n".join(self._lines))
        except ValueError:
            raise smtp.SMTPServerError(554, b"That can't be said there") from None
        except OSError:
            raise smtp.SMTPServerError(451, b"Not now, try again") from None

    def connectionLost(self) -> None:
        """It is not whole."""
        self._lines = []


@implementer(smtp.IMessageDelivery)
class _Delivery:
    """Who may send what to whom."""

    def __init__(self, replies: MailReplies) -> None:
        self._replies = replies
        self._empty = False

    def receivedHeader(self, helo: Any, origin: Any, recipients: Any) -> bytes:
        """None: the letter is not kept."""
        return b""

    def validateFrom(self, helo: Any, origin: Any) -> Any:
        """Anybody, but what comes back (an empty sender) is a machine's."""
        self._empty = not origin.local
        return origin

    def validateTo(self, user: Any) -> Any:
        """The conversation that the address names."""
        return later(self._find(user))

    async def _find(self, user: Any) -> Any:
        try:
            found = await self._replies.find(
                user.dest.local.decode("ascii", "replace"), user.dest.domain.decode("ascii", "replace")
            )
        except Exception:
            raise smtp.SMTPServerError(451, b"Not now, try again") from None
        if found is None or self._empty:
            raise smtp.SMTPBadRcpt(user)
        return lambda: _Letter(self._replies, found)


class _Server(smtp.ESMTP):
    """One connection."""

    timeout = SILENCE

    def connectionMade(self) -> None:
        """Somebody has connected."""
        self.factory.open += 1
        self.delivery = _Delivery(self.factory.replies)
        super().connectionMade()
        if self.factory.open > MOST_OPEN:
            self.sendCode(421, b"Too many connections")
            assert self.transport is not None
            self.transport.loseConnection()

    def connectionLost(self, reason: Any = None) -> None:
        """Nobody is there any more."""
        self.factory.open -= 1
        super().connectionLost(reason)


class _Factory(smtp.SMTPFactory):
    """All connections."""

    protocol = _Server
    noisy = False

    def __init__(self, replies: MailReplies) -> None:
        super().__init__()
        self.replies = replies
        self.open = 0


def make_factory(replies: MailReplies) -> Any:
    """What answers those who connect."""
    return _Factory(replies)
