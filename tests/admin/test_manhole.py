"""The telnet console: login, shell and listener, over a fake transport and over a real socket."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Awaitable, Callable
from typing import Any

from argon2 import PasswordHasher
from twisted.conch.telnet import DO, DONT, ECHO, IAC, NAWS, SB, SE, SGA, WILL, WONT
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from cackled.admin.commands import Runner
from cackled.admin.manhole import MOST_SESSIONS, MOST_WAITING, ManholeFactory
from cackled.admin.secrets import Password
from cackled.admin.testing import FakeConsole
from cackled.config import ConfigError
from cackled.metrics import Metrics

WEAK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
SECRET = "correct horse"


def at_once(function: Callable[..., bool], *args: Any) -> Awaitable[bool]:
    return succeed(function(*args))


class Wire(StringTransport):
    """A transport that notes how it was closed."""

    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True


class ConsoleCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.fake = FakeConsole()
        self.clock = Clock()
        self.metrics = Metrics()
        self.namespace: dict[str, Any] | None = {"answer": 42}
        self.factory = self.make()

    def make(self, **more: Any) -> ManholeFactory:
        arguments: dict[str, Any] = {
            "runner": Runner(self.fake.console, self.clock, self.metrics),
            "password": Password(WEAK.hash(SECRET), WEAK),
            "clock": self.clock,
            "metrics": self.metrics,
            "in_thread": at_once,
            "user": "admin",
            "namespace": self.namespace,
        }
        return ManholeFactory(**{**arguments, **more})

    def connect(self) -> tuple[Any, Wire]:
        protocol: Any = self.factory.buildProtocol(None)
        wire = Wire(peerAddress=IPv4Address("TCP", "127.0.0.1", 40000))
        protocol.makeConnection(wire)
        return protocol, wire

    def enter(self) -> tuple[Any, Wire]:
        protocol, wire = self.connect()
        protocol.dataReceived(b"admin\r\n")
        protocol.dataReceived(SECRET.encode() + b"\r\n")
        wire.clear()
        return protocol, wire


def plain(data: bytes) -> str:
    """What a person sees of *data*: without telnet commands and escape sequences."""
    data = re.sub(rb"\xff\xfa.*?\xff\xf0|\xff[\xfb-\xfe].", b"", data, flags=re.DOTALL)
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", data.decode("utf-8")).replace("\r\n", "\n")


class LoginTests(ConsoleCase):
    def test_right_password(self) -> None:
        """User, password unseen, prompt."""
        protocol, wire = self.connect()
        self.assertEqual(plain(wire.value()), "cackled\nUser: ")
        protocol.dataReceived(b"admin\r\n")
        self.assertIn(IAC + WILL + ECHO, wire.value())
        protocol.dataReceived(IAC + DO + ECHO)
        protocol.dataReceived(SECRET.encode() + b"\r\0")
        self.assertTrue(plain(wire.value()).endswith("cackled> "))
        self.assertNotIn(IAC + WONT + ECHO, wire.value())
        self.assertNotIn(SECRET.encode(), wire.value())

    def test_wrong_then_right_without_negotiation(self) -> None:
        """A client that never answers a negotiation gets another try, and gets in."""
        protocol, wire = self.connect()
        protocol.dataReceived(b"admin\nwrong\n")
        self.assertIn("Wrong user or password.\nUser: ", plain(wire.value()))
        protocol.dataReceived(b"root\n" + SECRET.encode() + b"\n")
        self.assertNotIn("cackled> ", plain(wire.value()))
        protocol.dataReceived(b"admin\n" + SECRET.encode() + b"\n")
        self.assertTrue(plain(wire.value()).endswith("cackled> "))

    def test_wrong_then_right_with_negotiation(self) -> None:
        """The same for a client that answers everything."""
        protocol, wire = self.connect()
        for word in ("wrong", SECRET):
            protocol.dataReceived(b"admin\r\n")
            protocol.dataReceived(IAC + DO + ECHO)
            protocol.dataReceived(word.encode() + b"\r\n")
            if word == "wrong":
                self.assertIn(IAC + WONT + ECHO, wire.value())
                protocol.dataReceived(IAC + DONT + ECHO)
        self.assertTrue(plain(wire.value()).endswith("cackled> "))

    def test_typed_ahead(self) -> None:
        """Commands sent along with the password are run after it: a script need not wait."""
        waiting: list[Deferred[bool]] = []

        def slowly(function: Callable[..., bool], *args: Any) -> Awaitable[bool]:
            waiting.append(Deferred())
            return waiting[-1]

        self.factory = self.make(in_thread=slowly)
        protocol, wire = self.connect()
        protocol.dataReceived(f"admin\n{SECRET}\ngc\nquit\n".encode())
        self.assertEqual(self.fake.done, [])
        waiting[0].callback(True)
        self.assertEqual(self.fake.done, ["collect"])
        self.assertTrue(wire.disconnecting)

    def test_bounded(self) -> None:
        """An endless name, a flood while the password is checked, and silence all end the connection."""
        for flood in (b"x" * 300 + b"\n", b"x" * 9000, b"\xff\xfa\x1f" + b"y" * 20000):
            protocol, wire = self.connect()
            protocol.dataReceived(flood)
            self.assertTrue(wire.disconnecting or wire.aborted, flood[:4])
        protocol, wire = self.connect()
        self.clock.advance(60)
        protocol.dataReceived(b"a")
        self.clock.advance(60)
        self.assertTrue(wire.disconnecting, "the login has an absolute time limit")
        self.clock.advance(5)
        self.assertTrue(wire.aborted, "a peer that does not read is hung up on")

    def test_broken_telnet(self) -> None:
        """Commands that Twisted's parser chokes on end the connection, and no traceback is logged."""
        for broken in (IAC + b"\x01", IAC + SB + IAC + SE):
            protocol, wire = self.connect()
            protocol.dataReceived(broken)
            self.assertTrue(wire.aborted)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_too_many(self) -> None:
        """There is room for eight at the prompt; one that leaves makes room."""
        sessions = [self.enter() for _ in range(MOST_SESSIONS)]
        self.assertIsNone(self.factory.buildProtocol(None))
        self.assertEqual(self.metrics.value("admin_console_sessions"), MOST_SESSIONS)
        sessions[0][0].connectionLost(Failure(ConnectionDone()))
        self.assertIsNotNone(self.factory.buildProtocol(None))

    def test_idle_at_the_login(self) -> None:
        """Who waits at the login keeps nobody out: the oldest makes room."""
        waiting = [self.connect() for _ in range(MOST_WAITING + 3)]
        self.assertEqual([wire.aborted for _, wire in waiting[:5]], [True] * 3 + [False] * 2)
        _, wire = self.enter()
        self.assertFalse(wire.disconnecting or wire.aborted)
        self.assertEqual(self.metrics.value("admin_console_sessions"), MOST_WAITING)

    def test_three_tries(self) -> None:
        """A connection has three tries."""
        protocol, wire = self.connect()
        protocol.dataReceived(b"admin\nx\nadmin\nx\n")
        self.assertFalse(wire.disconnecting)
        protocol.dataReceived(b"admin\nx\n")
        self.assertTrue(wire.disconnecting)

    def test_check_fails(self) -> None:
        """When the thread fails, nobody is let in and the error is logged."""

        def broken(function: Callable[..., bool], *args: Any) -> Awaitable[bool]:
            raise RuntimeError("no thread")

        self.factory = self.make(in_thread=broken)
        protocol, wire = self.connect()
        protocol.dataReceived(b"admin\n" + SECRET.encode() + b"\n")
        self.assertTrue(wire.disconnecting)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_gone_while_checking(self) -> None:
        """A password that turns out right after the client has gone opens nothing."""
        answer: Deferred[bool] = Deferred()
        self.factory = self.make(in_thread=lambda function, *args: answer)
        protocol, wire = self.connect()
        protocol.dataReceived(b"admin\n" + SECRET.encode() + b"\n")
        protocol.connectionLost(Failure(ConnectionDone()))
        wire.clear()
        answer.callback(True)
        self.assertEqual(wire.value(), b"")
        self.assertEqual(self.clock.getDelayedCalls(), [])


class ShellTests(ConsoleCase):
    def type(self, protocol: Any, wire: Wire, text: str) -> str:
        wire.clear()
        protocol.dataReceived(text.encode() + b"\r\n")
        return plain(wire.value())

    def test_command(self) -> None:
        """A command's table is printed, then the prompt."""
        protocol, wire = self.enter()
        shown = self.type(protocol, wire, "sessions")
        self.assertEqual(shown.splitlines()[:3], ["sessions", "transport  sessions", "ws             1200"])
        self.assertTrue(shown.endswith("\ncackled> "))

    def test_error(self) -> None:
        """A refused command is one line."""
        protocol, wire = self.enter()
        self.assertEqual(
            self.type(protocol, wire, "channels zero"),
            "channels zero\nerror: N is a number from 1 to 1000\ncackled> ",
        )

    def test_python(self) -> None:
        """Other lines are Python with the given names; inside a block commands are not looked for."""
        protocol, wire = self.enter()
        self.assertIn("\n43\n", self.type(protocol, wire, "answer + 1"))
        self.type(protocol, wire, "if answer:")
        self.type(protocol, wire, "    status = 5; print('in', status)")
        self.assertIn("in 5", self.type(protocol, wire, ""))
        self.assertIn("ZeroDivisionError", self.type(protocol, wire, "1 / 0"))
        self.assertFalse(wire.disconnecting)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_mistyped(self) -> None:
        """A command that is none gets a line, not Python's traceback; names of one's own are Python."""
        protocol, wire = self.enter()
        for line in ("statsu", "frobnicate all now"):
            self.assertIn("error: unknown command", self.type(protocol, wire, line))
        self.assertNotIn("error", self.type(protocol, wire, "mine = 5"))
        self.assertIn("\n5\n", self.type(protocol, wire, "mine"))
        self.assertIn("NameError", self.type(protocol, wire, "nothing + 1"))

    def test_called(self) -> None:
        """A command with parentheses is the command; none of Python's own that read the daemon's terminal is run."""
        protocol, wire = self.enter()
        with_parentheses, without = (self.type(protocol, wire, line).partition("\n")[2] for line in ("help()", "help"))
        self.assertEqual(with_parentheses, without)
        self.assertIn("Return the absolute value", self.type(protocol, wire, "help(abs)"))
        for line in ("input()", "input('name? ')", "breakpoint()"):
            self.assertIn("RuntimeError: this would wait at the daemon", self.type(protocol, wire, line))
        self.assertIn("bye", self.type(protocol, wire, "exit()"))

    def test_coroutine(self) -> None:
        """``run(coroutine)`` shows the result when it comes, even to nobody."""
        later: Deferred[str] = Deferred()

        async def work() -> str:
            return await later

        self.namespace = {"work": work}
        self.factory = self.make()
        protocol, wire = self.enter()
        self.assertIn("<Deferred #0>", self.type(protocol, wire, "run(work())"))
        protocol.connectionLost(Failure(ConnectionDone()))
        later.callback("done")

    def test_no_python(self) -> None:
        """Without a namespace only commands are understood."""
        self.namespace = None
        self.factory = self.make()
        protocol, wire = self.enter()
        self.assertIn("error: unknown command '1'; try help", self.type(protocol, wire, "1 + 1"))

    def test_busy(self) -> None:
        """Lines typed while a command works wait for it, in order; ^C stops waiting."""
        never: Deferred[Any] = Deferred()

        async def sites() -> Any:
            return await never

        self.patch(self.fake.sites, "sites", sites)
        protocol, wire = self.enter()
        self.type(protocol, wire, "site")
        self.type(protocol, wire, "gc")
        self.assertEqual(self.fake.done, [])
        never.callback([])
        self.assertEqual(self.fake.done, ["collect"])
        self.assertTrue(plain(wire.value()).endswith("cackled> "))
        never = Deferred()
        self.type(protocol, wire, "site")
        protocol.dataReceived(b"\x03")
        self.assertIn("collected", self.type(protocol, wire, "gc"))
        wire.clear()
        never.callback([])
        self.assertEqual(wire.value(), b"", "an answer that nobody waits for is not shown")

    def test_quit(self) -> None:
        """quit, exit, exit() and ^D end the session; what follows in the same breath is not run."""
        for words in (b"quit\r\ngc\r\n", b"exit\r\ngc\r\n", b"exit()\r\ngc\r\n", b"\x04gc\r\n"):
            protocol, wire = self.enter()
            protocol.dataReceived(words)
            self.assertTrue(wire.disconnecting, words)
            self.assertNotIn(b"\x1bc", wire.value(), "the terminal is not reset")
        self.assertEqual(self.fake.done, [])

    def test_editing(self) -> None:
        """Backspace (both kinds), history and UTF-8 work."""
        protocol, wire = self.enter()
        protocol.dataReceived(b"gd\x7fx\x08c\r\0")
        self.assertEqual(self.fake.done, ["collect"])
        protocol.dataReceived(b"\x1b[A\r\0")
        self.assertEqual(self.fake.done, ["collect", "collect"])
        self.assertIn("слово", self.type(protocol, wire, "ban 1 word слово"))
        self.assertIn((1, "word", "слово"), self.fake.bans.held)

    def test_window(self) -> None:
        """The window's size is taken without clearing the screen."""
        protocol, wire = self.enter()
        protocol.dataReceived(IAC + WILL + NAWS)
        wire.clear()
        protocol.dataReceived(IAC + SB + NAWS + b"\x00\x64\x00\x32" + IAC + SE)
        self.assertEqual(wire.value(), b"")
        self.assertEqual(protocol.protocol._terminal.terminalProtocol.width, 100)

    def test_idle(self) -> None:
        """A key keeps the session alive, silence ends it."""
        protocol, wire = self.enter()
        self.clock.advance(899)
        protocol.dataReceived(b"a")
        self.clock.advance(899)
        self.assertFalse(wire.disconnecting)
        self.clock.advance(1)
        self.assertTrue(wire.disconnecting)

    def test_audit(self) -> None:
        """Commands that change something and Python lines are logged with who typed them."""
        from twisted.logger import globalLogPublisher

        events: list[dict[str, Any]] = []
        globalLogPublisher.addObserver(events.append)
        self.addCleanup(globalLogPublisher.removeObserver, events.append)
        protocol, wire = self.enter()
        self.type(protocol, wire, "evict all")
        self.type(protocol, wire, "answer")
        lines = [(e["who"], e["line"]) for e in events if "who" in e]
        self.assertEqual(lines, [("admin@127.0.0.1:40000", "evict all"), ("admin@127.0.0.1:40000", "answer")])
        self.assertNotIn(SECRET, repr(events))

    def test_close(self) -> None:
        """When the daemon stops, sessions are told and closed."""
        _, wire = self.enter()
        self.factory.close()
        self.assertIn("The daemon stops.", plain(wire.value()))
        self.assertTrue(wire.disconnecting)


class ListenerTests(TestCase):
    async def listen(self) -> tuple[FakeConsole, int]:
        from twisted.internet import reactor

        fake, metrics = FakeConsole(), Metrics()
        clock: Any = reactor
        factory = ManholeFactory(
            runner=Runner(fake.console, clock, metrics),
            password=Password(WEAK.hash(SECRET), WEAK),
            clock=clock,
            metrics=metrics,
            in_thread=deferToThread,
            user="admin",
            namespace={"answer": 42},
        )
        port = clock.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return fake, port.getHost().port

    async def test_raw_socket_that_answers_negotiations(self) -> None:
        """A client as simple as can be gets in and runs a command over a real socket."""
        _, port = await self.listen()
        seen = await deferToThread(talk, port, ["admin", "wrong", "admin", SECRET, "status", "answer + 1", "quit"])
        self.assertIn("Wrong user or password.", seen)
        self.assertIn("123.0 MiB", seen)
        self.assertIn("\n43\n", seen)
        self.assertTrue(seen.rstrip().endswith("bye"))

    async def test_real_telnet(self) -> None:
        """The telnet program of the system gets in too."""
        program = shutil.which("telnet")
        if program is None:
            self.skipTest("no telnet here")
        fake, port = await self.listen()
        seen = await deferToThread(telnet, program, port)
        self.assertIn("cackled> ", seen)
        self.assertNotIn(SECRET, seen)
        self.assertEqual(fake.done, ["collect"])

    def test_only_loopback(self) -> None:
        """Endpoints that others can reach are refused."""
        for good in ("tcp:2300:interface=127.0.0.1", r"tcp6:2300:interface=\:\:1", "unix:/run/x/console:mode=600"):
            ManholeFactory.check(good)
        for bad in (
            "tcp:2300", "tcp:2300:interface=0.0.0.0", "tcp:2300:interface=10.0.0.1", "tcp:x:interface=127.0.0.1",
            "unix:/run/x/console", "unix:/run/x:mode=660", "ssl:2300", "systemd:domain=INET:index=0", "",
            "tcp:2300:interface=localhost.example.com",
        ):
            self.assertRaises(ConfigError, ManholeFactory.check, bad)


def talk(port: int, lines: list[str]) -> str:
    """Log in and type *lines*, one after each prompt, answering every negotiation."""
    answers = {WILL: DO, DO: WILL, WONT: DONT, DONT: WONT}
    seen = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        while True:
            data = sock.recv(65536)
            if not data:
                return plain(seen)
            for verb, option in re.findall(rb"\xff([\xfb-\xfe])(.)", data, re.DOTALL):
                willing = option in (ECHO, SGA)
                reply = answers[verb] if willing else (DONT if verb in (WILL, WONT) else WONT)
                sock.sendall(IAC + reply + option)
            seen += data
            if lines and re.search(r"(User: |Password: |cackled> )$", plain(seen)):
                sock.sendall(lines.pop(0).encode() + b"\r\n")


def telnet(program: str, port: int) -> str:
    """Drive *program* on a terminal of its own, as a person would."""
    master, slave = os.openpty()
    try:
        with subprocess.Popen(
            [program, "127.0.0.1", str(port)], stdin=slave, stdout=slave, stderr=slave, close_fds=True,
            env={"TERM": "vt100", "PATH": os.environ.get("PATH", "")}, start_new_session=True,
        ) as process:
            os.close(slave)
            slave = -1
            lines = ["admin", SECRET, "gc", "quit"]
            seen = b""
            while True:
                try:
                    data = os.read(master, 65536)
                except OSError:
                    data = b""
                if not data:
                    break
                seen += data
                if lines and re.search(r"(User: |Password: |cackled> )$", plain(seen)):
                    os.write(master, lines.pop(0).encode() + b"\r")
            process.wait(20)
        return plain(seen)
    finally:
        os.close(master)
        if slave >= 0:
            os.close(slave)
