"""A WordPress with our plugin: PHP's own server before a MariaDB, for this test run alone.

scripts/test installs PHP and MariaDB where it may, and unpacks WordPress as the distribution publishes it (into
``wordpress`` beside the interpreter). None is in the repository; where one is missing its tests are skipped.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SkipTest

from tests.support.client import call
from tests.support.daemon import free_ports

ROOT = Path(__file__).resolve().parents[2]
FILES = Path(__file__).parent / "hosts" / "wordpress"
FOLDER = Path(sys.prefix) / "wordpress"
# Generous: a loaded machine is slow.
PATIENCE = 300.0
PASSWORD = "a-password"


class WordPress:
    """A blog at ``url``; its owner is "admin", a subscriber is "reader".

    Raises:
        SkipTest: a program is missing.
    """

    def __init__(self) -> None:
        server = shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        install, php = shutil.which("mariadb-install-db"), shutil.which("php")
        if not server or not install or not php or not (FOLDER / "wp-load.php").is_file():
            raise SkipTest("there is no PHP, no MariaDB or no WordPress (scripts/test installs them where it may)")
        if "mysqli" not in subprocess.run([php, "-m"], capture_output=True, text=True, check=False).stdout.split():
            raise SkipTest("PHP has no mysqli")
        self._php = php
        self.folder = Path(tempfile.mkdtemp(prefix="cackled-wordpress-"))
        data, socket = self.folder / "data", self.folder / "s"
        me = ["--user=root"] if os.getuid() == 0 else []
        options = ["--no-defaults", f"--datadir={data}", *me]
        self._run([install, *options, "--auth-root-authentication-method=normal", "--skip-test-db"])
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self.log = self.folder / "log"
        self._environment = {
            **os.environ, "WP_SOCKET": str(socket), "WP_URL": self.url, "WP_LOG": str(self.log), "WP_ROOT": str(FOLDER),
            "WP_PLUGINS": str(ROOT / "integrations" / "wordpress"), "PHP_CLI_SERVER_WORKERS": "3",
        }  # fmt: skip
        self._children: list[subprocess.Popen[bytes]] = []
        atexit.register(self.stop)
        self._start([server, *options, f"--socket={socket}", "--skip-networking", "--innodb-flush-log-at-trx-commit=0"])
        self._wait(socket.exists)
        (FOLDER / "wp-config.php").unlink(missing_ok=True)
        shutil.copy(FILES / "wp-config.php", FOLDER)
        told = self._run([php, str(FILES / "install.php")])
        if told != "installed":
            raise AssertionError(told)
        self._start([php, "-S", f"127.0.0.1:{port}", "-t", str(FOLDER), str(FILES / "router.php")])
        self._wait(self._answers)

    def run(self, program: str) -> str:
        """What *program* prints, in WordPress."""
        return self._run([self._php, "-r", f"require '{FOLDER}/wp-load.php'; {program}"])

    def faults(self) -> list[str]:
        """What PHP had to say of our files; WordPress' own are older than this PHP."""
        text = self.log.read_text() if self.log.exists() else ""
        return [line for line in text.splitlines() if "integrations/wordpress" in line or "Fatal" in line]

    def stop(self) -> None:
        """End what was started."""
        for child in reversed(self._children):
            if child.poll() is None:
                # The workers of PHP's server are children of it.
                os.killpg(child.pid, signal.SIGTERM)
                child.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, command: list[str]) -> str:
        environment: Any = getattr(self, "_environment", None)
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=PATIENCE, check=False, cwd=self.folder
        )
        if done.returncode:
            raise AssertionError(f"{command[0]}: {done.stdout[-2000:]} {done.stderr[-2000:]}")
        return done.stdout

    def _start(self, command: list[str]) -> None:
        with open(self.folder / "output", "ab") as output:
            self._children.append(
                subprocess.Popen(
                    command, stdout=output, stderr=output, env=self._environment, cwd=self.folder,
                    start_new_session=True,
                )
            )

    def _wait(self, ready: Any) -> None:
        until = time.monotonic() + PATIENCE
        while not ready():
            if self._children[-1].poll() is not None or time.monotonic() > until:
                raise AssertionError((self.folder / "output").read_text()[-3000:])
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            return call(f"{self.url}/wp-login.php").status == 200
        except OSError:
            return False
