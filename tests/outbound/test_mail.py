"""Mail handed over to a real server (Twisted's) on the loopback: TLS of both kinds, refusals, silence, wrong names."""

from __future__ import annotations

from email import message_from_bytes
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import Portal
from twisted.internet import reactor as _reactor
from twisted.internet.defer import succeed
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import PrivateCertificate
from twisted.mail import smtp
from twisted.mail.imap4 import PLAINCredentials
from twisted.mail.smtp import IMessage, IMessageDelivery
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from cackled.cluster import ca
from cackled.config import ConfigError, Mail
from cackled.outbound.mail import Mailer, Undeliverable
from cackled.outbound.post import NotSent

reactor: Any = _reactor
PASSWORD = "a-canary-of-a-password"


@implementer(IMessage)
class Letter:
    """One message that comes in."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.lines: list[bytes] = []

    def lineReceived(self, line: bytes) -> None:
        """Keep it."""
        self.lines.append(line)

    def eomReceived(self) -> Any:
        """All of it is here."""
        self.server.got.append(b"\r\n".join(self.lines))
        return succeed(None)

    def connectionLost(self) -> None:
        """Half of it only."""


@implementer(IMessageDelivery)
class Server:
    """Takes everything but what *refuse* says."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.code = 0
        self.secured: list[bool] = []

    def receivedHeader(self, helo: Any, origin: Any, recipients: Any) -> bytes:
        """Nothing."""
        return b"Received: here"

    def validateFrom(self, helo: Any, origin: Any) -> Any:
        """Anybody."""
        return origin

    def validateTo(self, user: Any) -> Any:
        """Anybody, or nobody."""
        if self.code:
            raise smtp.SMTPServerError(self.code, "no such box")
        return lambda: Letter(self)

    def requestAvatar(self, who: Any, mind: Any, *interfaces: Any) -> Any:
        """The delivery, for who has logged in."""
        return (IMessageDelivery, self, lambda: None)


class MailTests(TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        ca.init_ca(self.folder)
        ca.issue(self.folder, "localhost")
        self.server = Server()
        (self.folder / "password").write_text(PASSWORD + "\n")
        self.message = EmailMessage()
        self.message["Subject"] = "Grüße"
        self.message.set_content("Line\n.\n.dots\nПривет\n" + "x" * 3000)

    def listen(self, *, starttls: bool = False, tls: bool = False, login: bool = False) -> int:
        made = PrivateCertificate.loadPEM(
            (self.folder / "localhost.pem").read_bytes() + (self.folder / "localhost.key").read_bytes()
        )
        options = made.options()

        def build(address: Any) -> Any:
            protocol = smtp.ESMTP(contextFactory=options if starttls else None)
            if login:
                checker = InMemoryUsernamePasswordDatabaseDontUse()
                checker.addUser(b"ann", PASSWORD.encode())
                protocol.portal = Portal(self.server, [checker])
                protocol.challengers = {b"PLAIN": PLAINCredentials}
            else:
                protocol.delivery = self.server
            return protocol

        factory = Factory.forProtocol(smtp.ESMTP)
        factory.buildProtocol = build  # type: ignore[method-assign]
        if tls:
            port = reactor.listenSSL(0, factory, options, interface="127.0.0.1")
        else:
            port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return int(port.getHost().port)

    async def send(self, port: int, tls: str, **more: Any) -> None:
        given: dict[str, Any] = {
            "host": "localhost", "ca_file": str(self.folder / "ca.pem"), "timeout": 20.0,
            "sender": "us@cackled.example",
        }  # fmt: skip
        mailer = Mailer(reactor, Mail(port=port, tls=tls, **{**given, **more}))  # type: ignore[arg-type]
        await mailer.send("them@site.example", self.message)

    def arrived(self) -> None:
        (raw,) = self.server.got
        found = message_from_bytes(raw)
        self.assertEqual(found.get_payload(decode=True).decode().replace("\r", "").strip(),  # type: ignore[union-attr]
                         self.message.get_content().strip())  # fmt: skip

    async def test_starttls_and_login(self) -> None:
        """Nothing goes out before TLS, and only to who has the name in the certificate; the login is taken."""
        port = self.listen(starttls=True, login=True)
        login = {"username": "ann", "password_file": str(self.folder / "password")}
        await self.send(port, "starttls", **login)
        self.arrived()
        for wrong in ({"host": "127.0.0.1", **login}, {"ca_file": "", **login}):
            with self.assertRaises(NotSent):
                await self.send(port, "starttls", **wrong)
        (self.folder / "password").write_text("wrong")
        with self.assertRaises(NotSent) as caught:
            await self.send(port, "starttls", **login)
        self.assertNotIn(PASSWORD, str(caught.exception))
        self.assertEqual(len(self.server.got), 1)
        self.flushLoggedErrors()

    async def test_no_tls_offered(self) -> None:
        """A server without STARTTLS gets nothing."""
        with self.assertRaises(NotSent):
            await self.send(self.listen(), "starttls")
        self.assertEqual(self.server.got, [])

    async def test_tls(self) -> None:
        """TLS from the first byte."""
        await self.send(self.listen(tls=True), "tls")
        self.arrived()

    async def test_plain(self) -> None:
        """To a server beside us, without."""
        await self.send(self.listen(), "none")
        self.arrived()

    async def test_refused(self) -> None:
        """A permanent refusal (5yz) is told apart from a transient one (4yz): RFC 5321, 4.2.1."""
        port = self.listen()
        for code, kind in ((550, Undeliverable), (451, NotSent)):
            self.server.code = code
            with self.assertRaises(kind) as caught:
                await self.send(port, "none")
            self.assertIn(str(code), str(caught.exception))

    async def test_nobody(self) -> None:
        """Nobody listens, somebody says nothing, somebody hangs up."""
        port = self.listen()

        class Silent(Protocol):
            def connectionMade(self) -> None:
                protocols.append(self)

        class Rude(Protocol):
            def connectionMade(self) -> None:
                assert self.transport is not None
                self.transport.loseConnection()

        protocols: list[Silent] = []
        for kind, timeout in ((Silent, 0.3), (Rude, 20.0)):
            listener = reactor.listenTCP(0, Factory.forProtocol(kind), interface="127.0.0.1")
            self.addCleanup(listener.stopListening)
            with self.assertRaises(NotSent):
                await self.send(listener.getHost().port, "none", timeout=timeout)
        dead = reactor.listenTCP(0, Factory(), interface="127.0.0.1")
        port = dead.getHost().port
        await dead.stopListening()
        with self.assertRaises(NotSent):
            await self.send(port, "none")

    def test_wrong_files(self) -> None:
        """What can't be used is said at the start."""
        for wrong in ({"ca_file": "/nowhere"}, {"ca_file": str(self.folder / "password")},
                      {"username": "ann"}, {"password_file": "/nowhere"}):  # fmt: skip
            with self.assertRaises(ConfigError):
                Mailer(reactor, Mail(host="localhost", **wrong))  # type: ignore[arg-type]
