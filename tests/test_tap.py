"""The plugin: options, and the one line an operator gets when they are wrong."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

from twisted.plugin import getPlugins
from twisted.python import usage
from twisted.trial.unittest import SynchronousTestCase

from cackled import __version__, tap

ROOT = Path(__file__).resolve().parents[1]


class OptionsTests(SynchronousTestCase):
    """`Options`, in this process (which has a reactor already)."""

    def setUp(self) -> None:
        self.installed: list[int] = []
        self.patch(tap, "install_monotonic_reactor", lambda: self.installed.append(1))
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        here = os.getcwd()
        os.chdir(self.folder)
        self.addCleanup(os.chdir, here)

    def parse(self, *arguments: str) -> tap.Options:
        options = tap.Options()
        options.parseOptions(arguments)
        return options

    def test_defaults(self) -> None:
        """Without a file all defaults hold; with one in the current directory that one does; the named one wins."""
        self.assertEqual(self.parse()["path"], None)
        self.assertEqual(self.parse()["settings"].node, "local")
        Path("cackled.toml").write_text('node = "here"\n')
        self.assertEqual((self.parse()["settings"].node, self.parse()["path"]), ("here", "cackled.toml"))
        Path("other.toml").write_text('node = "there"\n')
        self.assertEqual(self.parse("-c", "other.toml")["settings"].node, "there")
        self.assertEqual(self.parse("--config", "other.toml")["path"], "other.toml")
        self.assertEqual(len(self.installed), 6)

    def test_log_file(self) -> None:
        """`twistd --logfile` names it; in the background there is always one; standard output and syslog are none."""
        for given, named in (
            ({"nodaemon": True}, None), ({"nodaemon": True, "logfile": "-"}, None), ({"nodaemon": False}, "twistd.log"),
            ({"nodaemon": True, "logfile": "my.log"}, "my.log"), ({"nodaemon": False, "logfile": "my.log"}, "my.log"),
            ({"nodaemon": False, "syslog": True}, None),
        ):  # fmt: skip
            options = tap.Options()
            options.parent = given
            options.parseOptions([])
            self.assertEqual(options["log_file"], named and str(Path(named).absolute()), given)

    def test_refuse(self) -> None:
        """Whoever waits for the daemon in the background is told why it is not there."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        options = tap.Options()
        options.refuse("nobody waits")
        options.parent = {"statusPipe": writer}
        options.refuse("the port is taken")
        os.close(writer)
        self.assertEqual(os.read(reader, 1000), b"1 the port is taken")

    def test_wrong(self) -> None:
        """A file that is missing, broken, or has a wrong key or type is a usage error that names it."""
        for text, named in (
            (None, "nowhere.toml"),
            ("node = ", "nowhere.toml"),
            ("nodde = 1", "nodde"),
            ("node = 5", "$.node"),
            ("[http]\nmax_connections = 'x'", "$.http.max_connections"),
            ("[http]\nmax_connections = 0", "$.http.max_connections"),
            ("[log]\nlevel = 'loud'", "loud"),
            ("listen = []", "listen"),
            ("\xff", "nowhere.toml"),
        ):
            if text is not None:
                Path("nowhere.toml").write_bytes(text.encode("latin-1"))
            with self.assertRaises(usage.UsageError, msg=repr(text)) as caught:
                self.parse("-c", "nowhere.toml")
            self.assertIn(named, str(caught.exception))
            self.assertNotIn("\n", str(caught.exception))
        self.assertRaises(usage.UsageError, self.parse, "--nonsense")
        self.assertEqual(self.installed, [])

    def test_version(self) -> None:
        """``--version`` prints it and leaves."""
        out = io.StringIO()
        with redirect_stdout(out):
            self.assertRaises(SystemExit, self.parse, "--version")
        self.assertEqual(out.getvalue(), f"cackled {__version__}\n")


class PluginTests(SynchronousTestCase):
    """What twistd sees."""

    def test_found(self) -> None:
        """twistd finds the plugin once, under its name."""
        from twisted.application.service import IServiceMaker

        found = [one for one in getPlugins(IServiceMaker) if one.tapname == "cackled"]
        self.assertEqual([one.module for one in found], ["cackled.tap"])

    def test_light(self) -> None:
        """Reading options imports neither the daemon nor a reactor but ours, which runs on the monotonic clock."""
        code = (
            "import sys\nfrom cackled import tap\n"
            "assert not {'cackled.daemon.service', 'cackled.daemon.infrastructure', "
            "'twisted.internet.reactor'} & set(sys.modules)\n"
            "tap.Options().parseOptions([])\nfrom twisted.internet import reactor\nimport time\n"
            "assert reactor.seconds is time.monotonic, reactor.seconds\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=self.mktemp_folder(), env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def mktemp_folder(self) -> str:
        """A new folder."""
        name = self.mktemp()
        os.makedirs(name)
        return name
