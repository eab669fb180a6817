"""The admin listener: what a page or a program on the same machine can't do without the token."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.admin.commands import Runner
from cackled.admin.health import Health
from cackled.admin.http import admin_resource
from cackled.admin.listener import LONGEST_BODY, MOST_CONNECTIONS, admin_server, own_names
from cackled.admin.testing import FakeConsole
from cackled.config import Admin, ConfigError
from cackled.metrics import Metrics
from tests.support.answers import Answer, Wire, answers

TOKEN = "t0ken"
BEARER = f"Authorization: Bearer {TOKEN}"


class ListenerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.fake = FakeConsole()
        self.token = TOKEN
        metrics = Metrics()
        self.settings = Admin(endpoint="tcp:8081:interface=10.1.2.3", hosts=("Scrape.Example",))
        tree = admin_resource(
            health=Health({}, self.clock, metrics), metrics=metrics, token=TOKEN,
            runner=Runner(self.fake.console, self.clock, metrics),
        )  # fmt: skip
        self.factory = admin_server(tree, self.settings, self.clock, lambda: self.token)

    def connect(self, host: str = "127.0.0.1") -> Wire:
        wire = Wire(host)
        wire.protocol = self.factory.buildProtocol(wire.getPeer())
        wire.protocol.makeConnection(wire)
        return wire

    def ask(self, line: str, *fields: str, body: bytes = b"") -> Answer:
        wire = self.connect()
        wire.protocol.dataReceived("\r\n".join((line, *fields, "", "")).encode() + body)
        (answer,) = answers(wire.value(), (line.startswith("HEAD"),))
        return answer

    def command(self, *fields: str, body: bytes = b'{"line": "gc"}', length: int | None = None) -> Answer:
        size = f"Content-Length: {len(body) if length is None else length}"
        return self.ask("POST /admin/command HTTP/1.1", "Host: localhost", size, *fields, body=body)

    def test_command(self) -> None:
        """The bearer of the token is served."""
        answer = self.command(BEARER)
        self.assertEqual(answer.status, 200)
        self.assertEqual(self.fake.done, ["collect"])

    def test_refused_by_the_head(self) -> None:
        """Without the token the answer comes before a byte of the body, whatever its size and wherever it goes."""
        wrong = ("Authorization: Bearer wrong", "Authorization: Basic t0ken", "Expect: 100-continue")
        for fields in ((), *((one,) for one in wrong)):
            answer = self.command(*fields, body=b"", length=10**12)
            self.assertEqual(answer.status, 401, fields)
            self.assertIn("Bearer", answer.headers["www-authenticate"])
        for target in ("/admin/command", "/metrics", "/", "/readyz", "/nowhere", "/%61dmin/command"):
            for size in ("Content-Length: 100000000", "Transfer-Encoding: chunked"):
                answer = self.ask(f"POST {target} HTTP/1.1", "Host: localhost", size)
                self.assertEqual(answer.status, 401, (target, size))
        self.assertEqual(self.ask("GET /admin/command HTTP/1.1", "Host: localhost").status, 401)
        self.assertEqual(self.fake.done, [])

    def test_body_is_bounded(self) -> None:
        """With the token a body has a cap, announced or in chunks."""
        self.assertEqual(self.command(BEARER, body=b"", length=LONGEST_BODY + 1).status, 413)
        wire = self.connect()
        wire.protocol.dataReceived(
            b"POST /admin/command HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n%s\r\n\r\n"
            % BEARER.encode()
        )
        for _ in range(10):
            wire.protocol.dataReceived(b"2000\r\n" + b"x" * 0x2000 + b"\r\n")
        self.assertEqual(answers(wire.value())[0].status, 413)

    def test_names(self) -> None:
        """A name that a stranger gave to our address reads nothing; ours do."""
        for host in (
            "localhost", "localhost:8081", "LOCALHOST", "127.0.0.1:8081", "[::1]:8081", "10.1.2.3", "scrape.example",
        ):  # fmt: skip
            self.assertEqual(self.ask("GET /metrics HTTP/1.1", f"Host: {host}").status, 200, host)
        for host in (
            "evil.example", "evil.example:8081", "localhost.evil.example", "127.0.0.1.evil.example", "10.1.2.4",
            "2130706433", "0x7f.1", "127.1", "0.0.0.0", "[::]", "[::ffff:127.0.0.1]",
        ):
            for target in ("/metrics", "/", "/readyz", "/healthz", "/admin/command"):
                answer = self.ask(f"GET {target} HTTP/1.1", f"Host: {host}", BEARER)
                self.assertEqual(answer.status, 421, (host, target))
            absolute = self.ask(f"GET http://{host}/metrics HTTP/1.1", f"Host: {host}")
            self.assertEqual(absolute.status, 421, host)

    def test_without_a_name(self) -> None:
        """HTTP/1.0 without Host: health, for balancers, and nothing else."""
        self.assertEqual(self.ask("GET /readyz HTTP/1.0").status, 200)
        self.assertEqual(self.ask("GET /metrics HTTP/1.0").status, 400)

    def test_own_names(self) -> None:
        """Nonsense is told at the start."""
        self.assertRaises(ConfigError, own_names, Admin(hosts=("a b",)))
        self.assertIn(b"[fd00::1]", own_names(Admin(endpoint="tcp6:8081:interface=fd00\\:\\:1")))

    def test_headers(self) -> None:
        """No answer tells which version this is."""
        for target in ("/", "/metrics", "/healthz", "/nowhere"):
            answer = self.ask(f"GET {target} HTTP/1.1", "Host: localhost")
            self.assertEqual(answer.headers["server"], "cackled")

    def test_leaves(self) -> None:
        """Nothing answers below its own address."""
        for target in ("/metrics/a.css", "/readyz/", "/healthz/x", "/admin/command/x"):
            self.assertEqual(self.ask(f"GET {target} HTTP/1.1", "Host: localhost", BEARER).status, 404, target)

    def test_connections(self) -> None:
        """There is a cap, and who says nothing is gone soon."""
        wires = [self.connect() for _ in range(MOST_CONNECTIONS)]
        self.assertTrue(self.connect().value().startswith(b"HTTP/1.1 503"))
        for wire in wires:
            wire.protocol.dataReceived(b"GET / HTT")
        self.clock.pump([0.5] * 24)
        self.assertEqual(self.ask("GET /healthz HTTP/1.1", "Host: localhost").status, 200)
        self.factory.abort_all()

    def test_starting(self) -> None:
        """Before there is a token nobody bears it."""
        self.token = ""
        for fields in ((), ("Authorization: Bearer ",), ("Authorization: Bearer",)):
            self.assertEqual(self.command(*fields).status, 503)


class HealthTests(SynchronousTestCase):
    def test_options(self) -> None:
        """HAProxy's plain "option httpchk /readyz" is a question for health."""
        case: Any = ListenerTests("test_command")
        case.setUp()
        for method in ("GET", "OPTIONS", "HEAD"):
            for target in ("/healthz", "/readyz"):
                self.assertEqual(case.ask(f"{method} {target} HTTP/1.0").status, 200, (method, target))
