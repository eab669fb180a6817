"""Letters to people with accounts: a link, and what it is for.

They are sent after the caller was answered, so that nobody learns from the time of an answer whether an address has an
account; and tried again for half an hour where the mail server does not take them. They are kept in memory alone: a
link that is lost with the process is asked for once more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from cackled.clock import sleep
from cackled.database.errors import DatabaseError
from cackled.languages import Catalogue, Language

log = Logger()

WORDS = Catalogue(Path(__file__).parents[1] / "web" / "accounts" / "locales", "mail")
# Subject and text of each kind.
KINDS = {
    "reset": ("resetSubject", "resetText"),
    "verify": ("verifySubject", "verifyText"),
    "known": ("knownSubject", "knownText"),
    "invite": ("inviteSubject", "inviteText"),
}
# Seconds until each further try, and letters that may wait.
PAUSES = (5.0, 30.0, 120.0, 600.0, 1_200.0)
MOST_WAITING = 1_000

Send = Callable[[str, EmailMessage], Awaitable[None]]


class Letters:
    """Writes letters; *send* hands one over for an address (ValueError: never, OSError: not now)."""

    def __init__(
        self, clock: Any, send: Send | None, sender: str, own_url: str, wall_time: Callable[[], float]
    ) -> None:
        self._clock = clock
        self._send = send
        self._sender = sender
        self.own_url = own_url
        self._wall_time = wall_time
        self.waiting = 0
        self.under_way = 0

    @property
    def able(self) -> bool:
        """Whether letters are sent at all: there is a mail server, and it is known what links begin with."""
        return self._send is not None and bool(self.own_url)

    def write(self, to: str, kind: str, language: Language = "en", *, link: str = "", **values: str) -> None:
        """Send a letter of *kind* (``reset``, ``verify``, ``known``, ``invite``) to an address, by and by."""
        if not self.able or self.waiting >= MOST_WAITING:
            log.warn("a letter of kind {kind} is not sent: {why}", kind=kind,
                     why="too many wait" if self.able else "[mail] needs a host and a url")  # fmt: skip
            return
        words = WORDS.words(language)
        subject, text = KINDS[kind]
        message = EmailMessage()
        message["Subject"] = " ".join(words(subject, **values).split())
        message["From"] = self._sender
        message["To"] = to
        message["Date"] = formatdate(self._wall_time())
        message["Auto-Submitted"] = "auto-generated"
        lines = [words(text, **values), *([link] if link else []), words("ignore")]
        message.set_content("\n\n".join(lines) + "\n")
        self.waiting += 1
        done: Deferred[None] = Deferred.fromCoroutine(self._deliver(to, kind, message))
        done.addErrback(lambda failure: log.failure("a letter broke", failure))

    def afterwards(self, work: Coroutine[Any, Any, None]) -> None:
        """Do *work*, which writes a letter or not; nobody waits for it."""
        self.under_way += 1
        done: Deferred[None] = Deferred.fromCoroutine(work)
        done.addErrback(lambda failure: log.warn("a letter is not written: {why}", why=failure.getErrorMessage())
                        if failure.check(DatabaseError) else log.failure("a letter broke", failure))  # fmt: skip
        done.addBoth(self._done)

    def _done(self, result: Any) -> None:
        self.under_way -= 1

    async def _deliver(self, to: str, kind: str, message: EmailMessage) -> None:
        assert self._send is not None
        try:
            for pause in (*PAUSES, None):
                try:
                    await self._send(to, message)
                    return
                except ValueError as error:
                    log.warn("a letter of kind {kind} was refused: {why}", kind=kind, why=str(error))
                    return
                except OSError as error:
                    if pause is None:
                        log.warn("a letter of kind {kind} is given up: {why}", kind=kind, why=str(error))
                        return
                    await sleep(self._clock, pause)
        finally:
            self.waiting -= 1
