"""The admin listener's resources, through treq's in-memory requests."""

from __future__ import annotations

import json
from typing import Any

from treq.testing import StubTreq
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.admin.commands import Runner
from cackled.admin.health import Health, NotReady
from cackled.admin.http import Readyz, admin_resource, check
from cackled.admin.testing import FakeConsole
from cackled.config import ConfigError
from cackled.metrics import Metrics

TOKEN = "t0ken"


class AdminHttpTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.fake = FakeConsole()
        self.clock = Clock()
        self.metrics = Metrics()
        self.ready = True
        self.health = Health({"database": self.database}, self.clock, self.metrics)
        runner = Runner(self.fake.console, self.clock, self.metrics)
        self.treq = StubTreq(
            admin_resource(health=self.health, metrics=self.metrics, runner=runner, token=TOKEN)
        )

    async def database(self) -> None:
        if not self.ready:
            raise NotReady("no primary")

    def get(self, path: str, treq: Any = None) -> tuple[Any, bytes]:
        treq = treq or self.treq
        response = self.successResultOf(treq.get(f"http://127.0.0.1{path}"))
        return response, self.successResultOf(response.content())

    def post(self, body: bytes, token: str | None = TOKEN, scheme: str = "Bearer") -> tuple[Any, dict[str, Any]]:
        headers = {} if token is None else {"authorization": f"{scheme} {token}"}
        response = self.successResultOf(self.treq.post("http://127.0.0.1/admin/command", data=body, headers=headers))
        return response, json.loads(self.successResultOf(response.content()))

    def line(self, line: str) -> tuple[Any, dict[str, Any]]:
        return self.post(json.dumps({"line": line}).encode())

    def test_healthz(self) -> None:
        """The process answers whatever the checks say, and nobody may keep the answer."""
        self.ready = False
        response, body = self.get("/healthz")
        self.assertEqual((response.code, body), (200, b"ok\n"))
        self.assertEqual(response.headers.getRawHeaders("cache-control"), ["no-store"])

    def test_readyz(self) -> None:
        """200 with the checks; 503 with the reason once the second is over."""
        response, body = self.get("/readyz")
        self.assertEqual((response.code, json.loads(body)), (200, {"ready": True, "checks": {"database": "ok"}}))
        self.ready = False
        self.assertEqual(self.get("/readyz")[0].code, 200)
        self.clock.advance(1.1)
        response, body = self.get("/readyz")
        self.assertEqual(response.code, 503)
        self.assertEqual(json.loads(body), {"ready": False, "checks": {"database": "no primary"}})

    def test_public_readyz_hides_reasons(self) -> None:
        """On a public listener a failed check has a name and no story."""
        self.ready = False
        response, body = self.get("/", StubTreq(Readyz(self.health, details=False)))
        self.assertEqual((response.code, json.loads(body)["checks"]), (503, {"database": "failed"}))

    def test_metrics(self) -> None:
        """Prometheus text of the registry."""
        self.metrics.counter("things", "Things.").inc(3)
        response, body = self.get("/metrics")
        self.assertIn(b"cackled_things_total 3.0", body)
        self.assertIn(b"cackled_ready 1.0", body, "readiness is looked at before it is told")
        self.assertEqual(
            response.headers.getRawHeaders("content-type"), ["text/plain; version=0.0.4; charset=utf-8"]
        )

    def test_command(self) -> None:
        """The answer comes as data and as text."""
        response, told = self.line("sessions")
        self.assertEqual(response.code, 200)
        self.assertEqual(told["data"][0], {"transport": "ws", "sessions": 1200})
        self.assertTrue(told["text"].startswith("transport  sessions\n"))

    def test_who(self) -> None:
        """The audit log names who asks, as ``cackled admin`` says; control characters are no name."""
        seen: list[str] = []

        async def run(line: str, who: str) -> str:
            seen.append(who)
            return "ok"

        self.patch(Runner, "run", staticmethod(run))
        for given, name in (("ann", "ann"), ("Äe".encode(), "Äe"), ("", "somebody"), ("a\tb", "somebody"),
                            ("x" * 65, "somebody"), (None, "somebody")):  # fmt: skip
            headers = {"authorization": f"Bearer {TOKEN}"}
            if given is not None:
                headers["x-cackled-operator"] = given  # type: ignore[assignment]
            asked = self.treq.post("http://127.0.0.1/admin/command", data=b'{"line": "gc"}', headers=headers)
            self.assertEqual(self.successResultOf(asked).code, 200)
            self.assertTrue(seen.pop().startswith(f"{name}@"), given)

    def test_token(self) -> None:
        """Without the right token nothing runs, whatever the body."""
        for token, scheme in ((None, ""), ("", "Bearer"), ("t0keN", "Bearer"), (TOKEN, "Basic"), ("é", "Bearer")):
            response, told = self.post(b'{"line": "gc"}', token, scheme)
            self.assertEqual((response.code, told["status"]), (401, 401))
            self.assertNotIn(TOKEN, repr(told))
        self.assertEqual(self.fake.done, [])

    def test_bad_body(self) -> None:
        """What is no command line is refused in words."""
        for body in (b"", b"{", b"[]", b'{"line": 5}', b'{"line": "gc", "x": 1}', b'{"line": "\xff"}', b"{}"):
            response, told = self.post(body)
            self.assertEqual(response.code, 400, body)
            self.assertTrue(told["detail"])
        self.assertEqual(self.post(b'{"line": "' + b"x" * 20000 + b'"}')[0].code, 413)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_refused_command(self) -> None:
        """A command's one-line error is the problem's detail; quit has no meaning here."""
        for line, detail in (("channels x", "N is a number"), ("nope", "unknown command"), ("quit", "telnet")):
            response, told = self.line(line)
            self.assertEqual(response.code, 422)
            self.assertIn(detail, told["detail"])

    def test_other_paths_and_methods(self) -> None:
        """The index tells what there is; anything else is 404 or 405."""
        self.assertIn(b"/readyz", self.get("/")[1])
        self.assertEqual(self.get("/nope")[0].code, 404)
        self.assertEqual(self.get("/admin/command")[0].code, 405)
        head = self.successResultOf(self.treq.head("http://127.0.0.1/readyz"))
        self.assertEqual((head.code, self.successResultOf(head.content())), (200, b""))

    def test_endpoint(self) -> None:
        """Loopback and private networks are good places, others are not."""
        for good in ("tcp:8081:interface=127.0.0.1", "tcp:8081:interface=10.1.2.3", "unix:/run/x:mode=600"):
            check(good)
        for bad in ("tcp:8081", "tcp:8081:interface=0.0.0.0", "tcp:8081:interface=8.8.8.8", "unix:/run/x"):
            self.assertRaises(ConfigError, check, bad)
