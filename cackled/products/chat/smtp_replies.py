"""The SMTP side of answers by mail (RFC 5321), and LMTP (RFC 2033) for those who begin with LHLO.

Importing it installs a reactor: done when the daemon listens.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.mail import smtp
from twisted.python.failure import Failure
from zope.interface import implementer

from cackled.products.chat.replies_by_mail import MOST_BYTES, MOST_OPEN, SILENCE, MailReplies, later

log = Logger()
_TAKEN = (250, b"Taken")


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
    # Whether each recipient is answered for, and how many the letter has.
    _each = False
    _recipients = 0

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

    def do_LHLO(self, rest: bytes) -> None:
        """A server that delivers by LMTP: it hears about each recipient."""
        self.do_EHLO(rest)
        self._each = True

    def do_EHLO(self, rest: bytes) -> None:
        """A client of SMTP, of today."""
        self._each = False
        super().do_EHLO(rest)

    def do_HELO(self, rest: bytes) -> None:
        """A client of SMTP, of old."""
        self._each = False
        super().do_HELO(rest)

    def do_DATA(self, rest: bytes) -> None:
        """A letter follows."""
        self._recipients = len(self._to)
        super().do_DATA(rest)

    def dataLineReceived(self, line: bytes) -> None:
        """A line of it."""
        if line == b"." and self.datafailed and self._each:
            self.mode = smtp.COMMAND
            self._tell([(self.datafailed.code, self.datafailed.resp)] * self._recipients)
        else:
            super().dataLineReceived(line)

    state_DATA = dataLineReceived

    def _messageHandled(self, results: list[tuple[bool, Any]]) -> None:
        # Twisted's own answers 550 to everything, which is for ever, and logs tracebacks.
        self._tell([_TAKEN if done else _answer(result) for done, result in results])

    def _tell(self, answers: list[tuple[int, bytes]]) -> None:
        """What became of the letter, for each recipient, or for all: what is to be tried again first, then refusals."""
        if not self._each:
            answers = [min(answers, key=lambda one: (one[0] // 100 != 4, one[0] // 100 != 5))]
        for code, words in answers:
            self.sendCode(code, words)


def _answer(failure: Failure) -> tuple[int, bytes]:
    error = failure.value
    if isinstance(error, smtp.SMTPServerError):
        return error.code, error.resp
    log.failure("a letter could not be taken", failure)
    return 451, b"Not now, try again"


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
