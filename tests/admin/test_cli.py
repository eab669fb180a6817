"""The cackled program, run in this process and, for what needs a daemon, against a real listener."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.server import Site

from cackled import __version__
from cackled.admin import cli
from cackled.admin.commands import Runner
from cackled.admin.health import Health
from cackled.admin.http import admin_resource
from cackled.admin.secrets import TOKEN, admin_token
from cackled.admin.testing import FakeConsole
from cackled.metrics import Metrics


def run(*words: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = cli.main(words)
        except SystemExit as leave:
            status = int(leave.code or 0)
    return status, out.getvalue(), err.getvalue()


class CliTests(SynchronousTestCase):
    def file(self, text: str) -> str:
        path = Path(self.mktemp())
        path.write_text(text)
        return str(path)

    def test_version(self) -> None:
        """--version is the package's, also as ``python -m cackled``, and it chooses no reactor."""
        self.assertEqual(run("--version"), (0, f"cackled {__version__}\n", ""))
        code = (
            "import sys\nfrom cackled.admin.cli import main\n"
            "try: main(['--version'])\nexcept SystemExit: pass\n"
            "print('twisted.internet.reactor' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
        self.assertEqual(done.stdout.splitlines()[-1], "False")

    def test_check_config(self) -> None:
        """A good file is ok; a wrong one is one line that names the file and the key."""
        self.assertEqual(run("check-config", self.file("[http]\nhosts = ['a.example']"))[:2], (0, "ok\n"))
        self.assertEqual(run("check-config", self.file(""))[:2], (0, "ok\n"))
        mesh = "node = 'a'\n[mesh]\nfolder = 'none'\n" + "".join(
            f"[[nodes]]\nname = '{name}'\nmesh = 'h:1'\n" for name in "ab"
        )
        for text, words in (
            (mesh, "ca.pem"),
            ("[http]\nhots = 1", "hots"),
            ("x", "="),
            ("[manhole]\nendpoint = 'tcp:2300'", "[manhole] endpoint"),
            ("[admin]\nendpoint = 'tcp:8081'", "[admin] endpoint"),
            ("[database]\ndsn = 'x'\npassword_file = '/nonexistent/p'", "/nonexistent/p"),
            # What the daemon finds when it makes its parts.
            ("[[listen]]\nendpoint = 'tpc:80'", "tpc"),
            ("[[listen]]\nendpoint = 'cackletls:port=443:certs=/nonexistent'", "/nonexistent"),
            ("[[listen]]\nproxy = ['ten']", "'ten'"),
            ("[http]\nhosts = ['a b']", "[http] hosts"),
            ("[http]\ntrusted_proxies = ['ten']", "'ten'"),
            ("[limits]\nexempt = ['ten']", "[limits] exempt"),
            # What the daemon meets later: when it connects, builds, answers.
            ("[database]\ndsn = 'postgres://bad bad'", "'bad bad' is no host name"),
            ("[database]\ndsn = 'host=x port=abc'", "1 to 65535"),
            ("[database]\ndsn = 'host=x port=70000'", "1 to 65535"),
            ("[database]\ndsn = 'postgres://h/db?sslmode=maybe'", "verify-full"),
            ("[database]\ndsn = 'host=h target_session_attrs=best'", "read-write"),
            ("[database]\ndsn = 'host=h connect_timeout=soon'", "connect_timeout is a number"),
            ("[database]\ndsn = 'mysql://h/db'", "postgresql://"),
            ("[database]\ndsn = 'host=h password=hunter2 hots=x'", "can't be parsed"),
            ("[[database.server]]\nname = 'a'\ndsn = 'host=h port=x'", "the dsn of a"),
            ("[database]\ndsn = 'host=h sslrootcert=/nonexistent/ca'", "/nonexistent/ca"),
            ("[geo]\nfiles = ['/nonexistent.mmdb']", "/nonexistent.mmdb"),
            ("[geo]\nfiles = ['/etc/passwd']", "no MMDB file"),
            ("[http]\nacme_folder = '/nonexistent'", "no folder /nonexistent"),
            # What may stand there is said.
            ("[log]\nlevel = 'loud'", "'debug', 'error', 'info', 'warn'"),
            ("env = 'test'", "'devel', 'prod'"),
            ("[mail]\ntls = true", "'none', 'starttls', 'tls'"),
            ("[[listen]]\nredir = true", "did you mean 'redirect'?; there are endpoint"),
            ("nods = 1", "did you mean 'node"),
            ("[[database.server]]\nsdn = 'x'", "did you mean 'dsn'"),
            ("[dns]\nlisten = ['0.0.0.0:53']", "each address by itself"),
            ("[dns]\nrate_exempt = ['ten']", "'ten'"),
            ("[mail]\nhost = 'h'\nusername = 'u'\npassword_file = '/nonexistent/m'", "/nonexistent/m"),
        ):
            path = self.file(text)
            status, out, err = run("check-config", path)
            self.assertEqual((status, out, err.count("\n")), (1, "", 1), text)
            self.assertIn(words, err)
            self.assertNotIn("hunter2", err)
            if text.startswith("[http]\nhots"):
                self.assertEqual(run("run", "-c", path), (1, "", err))
        self.assertIn("No such file", run("check-config", "/nonexistent.toml")[2])

    def test_disabled_manhole_may_have_any_endpoint(self) -> None:
        """What is off is not checked."""
        self.assertEqual(run("check-config", self.file("[manhole]\nenabled = false\nendpoint = 'tcp:1'"))[0], 0)

    def test_default_config(self) -> None:
        """The printed file is a good one."""
        status, out, _ = run("default-config")
        self.assertEqual(run("check-config", self.file(out))[:2], (0, "ok\n"))
        self.assertEqual(status, 0)

    def test_usage(self) -> None:
        """No or unknown words are a usage error."""
        for words in ((), ("nope",), ("admin",), ("tail",)):
            self.assertEqual(run(*words)[0], 2)

    def test_no_daemon(self) -> None:
        """Without a token or a daemon, admin says so in one line."""
        state = Path(self.mktemp())
        path = self.file(f"state = '{state.resolve()}'\n[admin]\nendpoint = 'tcp:1:interface=127.0.0.1'")
        self.assertIn(TOKEN, run("admin", "-c", path, "status")[2])
        admin_token(state)
        status, _, err = run("admin", "-c", path, "status")
        self.assertEqual((status, err.count("\n")), (1, 1))
        self.assertIn("no daemon at 127.0.0.1:1", err)

    def test_migrate_without_a_server(self) -> None:
        """The embedded server has no address to migrate at."""
        status, _, err = run("migrate", "-c", self.file(""))
        self.assertEqual(status, 1)
        self.assertIn("embedded", err)

    def test_tail_of_nothing(self) -> None:
        """A channel that can't be one is refused before anything is connected."""
        self.assertEqual(run("tail", "x/y")[0], 1)

    def test_dns(self) -> None:
        """A key is made once, in a file of its owner; its DS is printed then and later; check-config reads it."""
        key = self.mktemp()
        path = self.file(f"[dns]\norigin = 'geo.test.'\nkeys = ['{key}']")
        status, out, err = run("check-config", path)
        self.assertEqual((status, out), (1, ""))
        self.assertIn(f"dns.keys: {key}", err)
        for algorithm, number in (("ed25519", " 15 "), ("p256", " 13 ")):
            Path(key).unlink(missing_ok=True)
            status, made, err = run("dns", "-c", path, "key", key, "--algorithm", algorithm)
            self.assertEqual((status, err), (0, ""))
            self.assertTrue(made.startswith("geo.test. IN DS "))
            self.assertIn(number, made)
            self.assertEqual(run("dns", "-c", path, "ds"), (0, made, ""))
        self.assertEqual(run("check-config", path)[:2], (0, "ok\n"))
        self.assertIn("File exists", run("dns", "-c", path, "key", key)[2])
        self.assertIn("needs a file", run("dns", "-c", path, "key")[2])
        self.assertIn("names no files", run("dns", "-c", self.file(""), "ds")[2])
        self.assertIn("/nonexistent", run("check-config", self.file("[dns]\nzone_file = '/nonexistent'"))[2])

    def test_geo(self) -> None:
        """What is missing for a lookup or a build is told in one line."""
        path = self.file(f"state = '{self.mktemp()}'")
        for words in (("build",), ("lookup", "192.0.2.1"), ("lookup",)):
            status, out, err = run("geo", "-c", path, *words)
            self.assertEqual((status, out, err.count("\n")), (1, "", 1))

    def test_run_is_twistd(self) -> None:
        """run hands over to twistd, in the foreground and with the same file."""
        from twisted.scripts import twistd

        called: list[list[str]] = []
        self.patch(sys, "argv", list(sys.argv))
        self.patch(twistd, "run", lambda: called.append(list(sys.argv)))
        path = self.file("[log]\nformat = 'text'")
        self.assertEqual(run("run", "-c", path)[0], 0)
        self.assertEqual(called[0][1:], ["--nodaemon", "--pidfile=", "cackled", "--config", path])


class AdminTests(TestCase):
    async def serve(self, listen: Any = None) -> tuple[FakeConsole, str]:
        from twisted.internet import reactor

        real: Any = reactor
        fake, metrics = FakeConsole(), Metrics()
        state = Path(self.mktemp()).resolve()
        resource = admin_resource(
            health=Health({}, real, metrics),
            metrics=metrics,
            runner=Runner(fake.console, real, metrics),
            token=admin_token(state),
        )
        if listen is None:
            port = real.listenTCP(0, Site(resource), interface="127.0.0.1")
            endpoint = f"tcp:{port.getHost().port}:interface=127.0.0.1"
        else:
            port = real.listenUNIX(listen, Site(resource), mode=0o600)
            endpoint = f"unix:{listen}:mode=600"
        self.addCleanup(port.stopListening)
        path = Path(self.mktemp())
        path.write_text(f"state = '{state}'\n[admin]\nendpoint = '{endpoint}'")
        return fake, str(path)

    async def test_command(self) -> None:
        """A command's words reach the daemon as they were typed; the answer comes as text or JSON."""
        fake, path = await self.serve()
        done = await deferToThread(run, "admin", "-c", path, "site", "add", "My shop", "*.shop.example")
        self.assertEqual(done, (0, "site  2\n", ""))
        self.assertEqual(fake.sites.names[2], "My shop")
        status, out, _ = await deferToThread(run, "status", "-c", path)
        self.assertEqual(status, 0)
        self.assertIn("n1 (this)", out, "the cluster is part of it")
        status, out, _ = await deferToThread(run, "admin", "-c", path, "--json", "sessions")
        self.assertEqual((status, json.loads(out)[0]["transport"]), (0, "ws"))
        self.assertEqual((await deferToThread(run, "admin", "-c", path, "evict all"))[0], 0)
        self.assertEqual(fake.done, ["clear"])

    async def test_refused(self) -> None:
        """The daemon's one line is the program's one line."""
        _, path = await self.serve()
        done = await deferToThread(run, "admin", "-c", path, "site", "99")
        self.assertEqual(done, (1, "", "cackled: there is no site 99\n"))

    async def test_unix_socket(self) -> None:
        """A unix socket serves as well as a port."""
        fake, path = await self.serve(f"/tmp/cackled-{id(self)}.sock")
        self.assertEqual((await deferToThread(run, "admin", "-c", path, "gc"))[0], 0)
        self.assertEqual(fake.done, ["collect"])
