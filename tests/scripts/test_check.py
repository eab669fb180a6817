"""The script that decides whether a change is good: its counts are right, however a run ends."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.scripts.common import SCRIPTS, script

BODY = """
import os, signal, subprocess, sys, threading
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase, TestCase

class XTests({kind}):
    def test_a_good(self):
        pass
    def test_b_other(self):
        {other}
    def test_c_good(self):
        pass
"""
# Runs main() over another folder, without ruff and mypy.
PROGRAM = """
import importlib.util, pathlib, sys
spec = importlib.util.spec_from_file_location("check", sys.argv[1])
check = importlib.util.module_from_spec(spec)
sys.modules["check"] = check
spec.loader.exec_module(check)
check.CHECKERS = ()
sys.exit(check.main(sys.argv[3:], pathlib.Path(sys.argv[2])))
"""


class CheckCase(SynchronousTestCase):
    """A folder with test modules of its own."""

    def setUp(self) -> None:
        self.check: ModuleType = script("check")
        self.root = Path(self.mktemp()).resolve()
        (self.root / "tests").mkdir(parents=True)
        (self.root / "tests/__init__.py").write_text("")

    def write(self, other: str, name: str = "test_sample", kind: str = "SynchronousTestCase") -> None:
        """A module of two good tests, and one between them with this body."""
        (self.root / f"tests/{name}.py").write_text(BODY.format(other=other, kind=kind))

    def run_all(self, meanwhile: Callable[[Any], None] = id, **options: float) -> tuple[int, int, int]:
        """What becomes of all tests: passed, failed, skipped. ``said`` is what was shown.

        *meanwhile* is called with the run, in a thread.
        """
        temp = self.root / "temp"
        temp.mkdir()
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            jobs = self.check.wanted([], quick=False, root=self.root)
            self.ran = self.check.Run(jobs, temp, root=self.root, **options)
            threading.Thread(target=meanwhile, args=[self.ran], daemon=True).start()
            counts = self.ran.work().counts()
        self.said = out.getvalue()
        return counts


class CountTests(CheckCase):
    """One outcome for each test, whatever happens."""

    def test_passed_failed_skipped(self) -> None:
        """They are told apart, over several modules."""
        self.write("self.fail('as planned')")
        self.write("self.skipTest('no such thing')", "test_other")
        self.assertEqual(self.run_all(), (4, 1, 1))
        self.assertIn("as planned", self.said)
        self.assertIn("no such thing", self.said)
        self.assertEqual(self.ran.tally.failed, ["tests.test_sample.XTests.test_b_other"])

    def test_error_and_cleanup(self) -> None:
        """A test that fails, and whose cleanup fails too, is one failure."""
        self.write("self.addCleanup(lambda: 1 / 0); raise ValueError(1)")
        self.assertEqual(self.run_all(), (2, 1, 0))

    def test_logged_error(self) -> None:
        """An error in the log that the test did not expect fails it."""
        self.write("Logger().failure('x', __import__('twisted.python.failure').python.failure.Failure(ValueError(3)))")
        self.assertEqual(self.run_all(), (2, 1, 0))

    def test_unclean_reactor(self) -> None:
        """So does what it leaves in the reactor."""
        self.write("from twisted.internet import reactor; reactor.callLater(99, int)", kind="TestCase")
        self.assertEqual(self.run_all(), (2, 1, 0))
        self.assertIn("DirtyReactor", self.said)

    def test_no_import(self) -> None:
        """A module that can't be imported is a failure."""
        self.write("pass")
        (self.root / "tests/test_broken.py").write_text("import nothing_of_this_name")
        self.assertEqual(self.run_all(), (3, 1, 0))
        self.assertIn("nothing_of_this_name", self.said)

    def test_node(self) -> None:
        """Each test of Node's counts, and a file that ends early, fails to load or has none is a failure."""
        if script("check_slot").node() is None:
            raise SkipTest("there is no Node")
        head = "import {test, describe} from 'node:test';\nimport assert from 'node:assert/strict';\n"
        for name, text in (
            ("a", "test('one', () => {});\n"
                  "describe('all', () => { test('two', () => assert.equal(1, 2, 'as planned')); });\n"
                  "test('three', {skip: 'no such thing'}, () => {});\nconsole.log('said');\n"),
            ("b", "test('one', () => { process.exit(3); });\n"), ("c", "import './none.mjs';\n"), ("d", ""),
        ):  # fmt: skip
            (self.root / f"tests/{name}.test.mjs").write_text(head + text)
        self.assertEqual(self.run_all(), (1, 4, 1))
        for words in ("as planned", "no such thing", "said", "none.mjs"):
            self.assertIn(words, self.said)
        failed = [name.partition(" ")[0].partition(":")[0] for name in self.ran.tally.failed]
        self.assertEqual(sorted(failed), [f"tests/{name}.test.mjs" for name in "abcd"])

    def test_node_hangs(self) -> None:
        """A file that has no end is ended."""
        if script("check_slot").node() is None:
            raise SkipTest("there is no Node")
        (self.root / "tests/a.test.mjs").write_text(
            "import {test} from 'node:test';\ntest('x', () => new Promise(() => setInterval(() => {}, 1000)));\n"
        )
        self.assertEqual(self.run_all(hangs=3.0), (0, 1, 0))
        self.assertIn("had not ended", self.said)

    def test_unknown_name(self) -> None:
        """So is a name of nothing."""
        self.write("pass")
        temp = self.root / "temp"
        temp.mkdir()
        with contextlib.redirect_stdout(io.StringIO()):
            run = self.check.Run(self.check.wanted(["tests.test_none"], quick=False, root=self.root), temp,
                                 root=self.root)  # fmt: skip
            self.assertEqual(run.work().counts(), (0, 1, 0))

    def test_output_is_shown(self) -> None:
        """What a test prints, with its end if it is long."""
        self.write("print('x' * 100_000 + 'the end')")
        self.assertEqual(self.run_all(), (3, 0, 0))
        self.assertIn("the end", self.said)
        self.assertLess(len(self.said), 30_000)


class DeathTests(CheckCase):
    """A process that ends, or a test that does not."""

    def test_process_dies(self) -> None:
        """Costs one test: the module's others run, and other modules too."""
        self.write("os._exit(0)")
        self.write("os.kill(os.getpid(), 9)", "test_other")
        self.assertEqual(self.run_all(processes=1), (4, 2, 0))
        self.assertIn("exit code -9", self.said)

    def test_closed_streams(self) -> None:
        """A test may close the standard streams."""
        self.write("sys.stdin.close(); sys.stdout.close(); sys.stderr.close()")
        self.write("pass", "test_other")
        self.assertEqual(self.run_all(processes=1), (6, 0, 0))

    def test_module_dies(self) -> None:
        """A module whose import ends the process is one failure."""
        (self.root / "tests/test_broken.py").write_text("import os; os._exit(3)")
        self.write("pass")
        self.assertEqual(self.run_all(processes=1), (3, 1, 0))

    def test_hang(self) -> None:
        """A test without an end is ended alone, and shows where it hung."""
        self.write("threading.Event().wait()")
        self.assertEqual(self.run_all(hangs=1.0), (2, 1, 0))
        self.assertIn("had not ended after 1 s", self.said)
        self.assertIn("in test_b_other", self.said)

    def test_hang_that_ignores_signals(self) -> None:
        """Even if it wants to stay."""
        self.patch(sys.modules["scripts.check_slot"], "PATIENCE", 0.5)
        self.write("signal.signal(signal.SIGTERM, signal.SIG_IGN); threading.Event().wait()")
        self.assertEqual(self.run_all(hangs=1.0), (2, 1, 0))

    def test_child_stays(self) -> None:
        """A child that holds everything open does not hold the run up, and is gone afterwards if it can be."""
        self.write("self.child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)'],"
                   " close_fds=False); open('../pid', 'w').write(str(self.child.pid))")  # fmt: skip
        self.assertEqual(self.run_all(), (3, 0, 0))
        pid = int((self.root / "temp/pid").read_text())
        status = Path(f"/proc/{pid}/stat")
        self.assertTrue(not status.exists() or status.read_text().split()[2] == "Z")

    def test_end_in_order(self) -> None:
        """What tests share is stopped at the end."""
        self.write("import atexit; atexit.register(lambda: open('../ended', 'w').close())")
        self.run_all()
        self.assertTrue((self.root / "temp/ended").exists())


class StopTests(CheckCase):
    """A run that is stopped says what was running, and counts what was over."""

    def test_deadline(self) -> None:
        """By its deadline."""
        self.write("threading.Event().wait()")
        self.write("pass", "test_a")

        def expire(run: Any) -> None:
            while not run.slots[0].test.endswith("test_b_other") or run.tally.counts()[0] < 4:
                time.sleep(0.02)
            run.deadline = 0.0

        self.assertEqual(self.run_all(expire, processes=1), (4, 0, 0))
        self.assertIn("not over within 75 minutes", self.said)
        self.assertRegex(self.said, r"was running, for \d+ s: tests\.test_sample\.XTests\.test_b_other")
        self.assertIn("1 of 2 modules and checks were over", self.said)

    def stopped(self, number: signal.Signals, *more: str, ends: bool = True) -> tuple[int, list[str]]:
        """A run whose second test has the run told *number*; its exit code and lines."""
        wait = "open('../running', 'w').close(); os.kill(int(os.environ['RUN']), {}); threading.Event().wait()"
        self.write(wait.format(int(number)))
        program = f"import os; os.environ['RUN'] = str(os.getpid())\n{PROGRAM}"
        run = subprocess.run(
            [sys.executable, "-c", program, str(SCRIPTS / "check.py"), str(self.root), *more],
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        self.assertNotIn("Traceback", run.stderr)
        return run.returncode, run.stdout.splitlines()

    def test_signals(self) -> None:
        """By a signal: the counts of the last line are those of tests that ended, and one for the stop."""
        for number in (signal.SIGINT, signal.SIGTERM):
            code, lines = self.stopped(number)
            self.assertEqual((code, lines[-1]), (1, "1 passed, 1 failed"))
            self.assertIn(f"-- stopped: {number.name}; 0 of 1 modules and checks were over", lines)
            self.assertRegex("\n".join(lines), r"was running, for \d+ s: tests\.test_sample\.XTests\.test_b_other")

    def test_once_more(self) -> None:
        """A test that passes when it is run again alone is named and counts as passed; a broken one fails twice."""
        self.write("if not os.path.exists({0!r}): open({0!r}, 'x').close(); raise ValueError".format(
            str(self.root / "once")))  # fmt: skip
        code, lines = self.whole()
        self.assertEqual((code, lines[-1]), (0, "3 passed, 0 failed"))
        named = "-- unsteady, failed among the others and passed alone: tests.test_sample.XTests.test_b_other"
        self.assertIn(named, lines)
        self.write("raise ValueError")
        code, lines = self.whole()
        self.assertEqual((code, lines[-1]), (1, "2 passed, 1 failed"))
        self.assertIn("-- failed: tests.test_sample.XTests.test_b_other", lines)
        self.assertFalse([line for line in lines if "unsteady" in line])

    def test_many_are_no_accident(self) -> None:
        """Where many tests fail none is run again."""
        self.write("raise ValueError" + "".join(
            f"\n    def test_x{number}(self):\n        raise ValueError" for number in range(8)))  # fmt: skip
        code, lines = self.whole()
        self.assertEqual((code, lines[-1]), (1, "2 passed, 9 failed"))
        self.assertFalse([line for line in lines if "once more" in line])

    def whole(self) -> tuple[int, list[str]]:
        """A run of everything: its exit code and what it printed."""
        run = subprocess.run([sys.executable, "-c", PROGRAM, str(SCRIPTS / "check.py"), str(self.root)],
                             capture_output=True, check=False, text=True, timeout=600)  # fmt: skip
        return run.returncode, run.stdout.splitlines()

    def test_good_run(self) -> None:
        """The same program without a signal is content; times are written where that is wanted."""
        code, lines = self.stopped(signal.Signals.SIGTERM, "tests.test_sample.XTests.test_a_good", "--times",
                                   str(self.root / "times.json"))  # fmt: skip
        self.assertEqual((code, lines[-1]), (0, "1 passed, 0 failed"))
        self.assertIn("tests.test_sample.XTests.test_a_good", (self.root / "times.json").read_text())

    def test_killed(self) -> None:
        """The processes of a run that is killed end with it."""
        self.write("open('../pid', 'w').write(str(os.getpid())); os.kill(int(os.environ['RUN']), 9);"
                   " threading.Event().wait()")  # fmt: skip
        temp = self.root / "temp"
        temp.mkdir()
        program = f"import os; os.environ['RUN'] = str(os.getpid())\n{PROGRAM}"
        run = subprocess.run(
            [sys.executable, "-c", program, str(SCRIPTS / "check.py"), str(self.root)],
            env={**os.environ, "TMPDIR": str(temp)}, capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        self.assertEqual(run.returncode, -signal.SIGKILL)
        (pid,) = [int(one.read_text()) for one in temp.glob("*/pid")]
        # Nobody waits for it: the pipe of its output tells that it is over, by ending run() above.
        status = Path(f"/proc/{pid}/stat")
        self.patience(lambda: not status.exists() or status.read_text().split()[2] == "Z")

    def patience(self, check: Callable[[], bool]) -> None:
        """Wait until *check* holds."""
        end = time.monotonic() + 60
        while not check():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)


class ChoiceTests(CheckCase):
    """What runs, and in which order."""

    def setUp(self) -> None:
        super().setUp()
        for name in ("cache/test_b", "cache/test_a", "faults/test_x", "database/test_shards", "browser/test_y"):
            path = self.root / f"tests/{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text("")
        (self.root / "tests/cache/common.py").write_text("")

    def wanted(self, *names: str, quick: bool = False) -> list[str]:
        """The modules."""
        return self.check.wanted(list(names), quick=quick, root=self.root)

    def test_names(self) -> None:
        """Packages are their modules; everything else stays; nothing twice; paths are names."""
        cache = ["tests.cache.test_a", "tests.cache.test_b"]
        self.assertEqual(self.wanted("tests.cache"), cache)
        self.assertEqual(self.wanted("tests/cache/", "tests/cache/test_a.py"), cache)
        self.assertEqual(self.wanted("tests.cache.test_a.XTests.test_y"), ["tests.cache.test_a.XTests.test_y"])
        self.assertEqual(len(self.wanted()), 5)

    def test_quick(self) -> None:
        """Leaves out what needs a browser, several servers, or faults."""
        self.assertEqual(self.wanted(quick=True), ["tests.cache.test_a", "tests.cache.test_b"])

    def test_longest_first(self) -> None:
        """Modules that are known to be long begin."""
        self.check.durations = lambda: {"tests.cache.test_b": 30.0, "tests.cache.test_a": 0.1}
        self.assertEqual(self.wanted("tests.cache", "tests.faults"),
                         ["tests.cache.test_b", "tests.faults.test_x", "tests.cache.test_a"])  # fmt: skip

    def test_known_modules_exist(self) -> None:
        """The file of durations names no module that is gone."""
        check = script("check")
        there = set(check.modules("tests", check.ROOT))
        self.assertEqual([name for name in check.durations() if name not in there], [])
