"""Runs ruff, mypy, the checks of the browser side and all tests in parallel and counts what passed and failed.

    scripts/check.py [--quick] [--processes N] [--deadline MINUTES] [--times FILE] [name ...]

Names are packages, modules, classes or methods of tests, or files of tests of the browser side (``*.test.mjs``, run by
``node --test``, each test counted); without any, everything runs. Each slot (check_slot.py, with a process of
check_worker.py) takes one module after the other, those known to be long first, and writes down every start and end at
once: so the counts are right whenever the run is stopped, a process that dies costs one test, and a test that hangs is
ended alone. A few failed tests are run again alone: those that pass then are named as unsteady and count as passed.
They are to be mended, but do not refuse a change that has nothing to do with them.
The last line is ``N passed, N failed[, N skipped]``; the exit code is 0 when something passed and nothing failed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.check_slot import NODE_TESTS, PATIENCE, Slot, end  # noqa: E402

# Seconds. All tests take a few minutes; slow machines are given time, a run that takes this long hangs.
DEADLINE = 75 * 60.0
# One test without an end; the longest ones take about a minute.
HANGS = 20 * 60.0
# --quick leaves out modules whose names hold one of these, and those known to take this many seconds.
LONG_SECONDS = 6.0
LONG = ("browser", "cluster", "replica", "promotion", "shard", "moving", "residency", "fault", "backup")
# Program beside the interpreter, and its arguments.
CHECKERS = (
    ("ruff", "check", "."),
    ("mypy", "cackled", "scripts", "tests"),
    ("python", "scripts/packaging/web.py", "check"),
)
# So many failed tests are run a second time, alone, when all others are over: what a busy machine made late passes
# then. More of them are no accident.
MOST_AGAIN = 8
# The seconds assumed for a module that is not in durations.json.
USUAL = 2.0


def durations() -> dict[str, float]:
    """The seconds that modules took when they were last measured (see --times): the long ones begin."""
    try:
        return dict(json.loads(Path(__file__).with_name("durations.json").read_text()))
    except OSError:
        return {}


def modules(name: str, root: Path) -> list[str]:
    """The test modules of a package, Node's too; a name that is no package stays as it is. Paths are names too."""
    if name.endswith(NODE_TESTS):
        return [name]
    if name.endswith(".py"):
        name = name[:-3]
    name = name.strip("/").replace("/", ".")
    folder = root.joinpath(*name.split("."))
    if not folder.is_dir():
        return [name]
    found = sorted(folder.rglob("test_*.py"))
    modules = [".".join(one.relative_to(root).with_suffix("").parts) for one in found]
    return modules + [one.relative_to(root).as_posix() for one in sorted(folder.rglob(f"*{NODE_TESTS}"))]


def wanted(names: list[str], *, quick: bool, root: Path) -> list[str]:
    """What runs, in the order in which it begins."""
    found = list(dict.fromkeys(one for name in names or ["tests"] for one in modules(name, root)))
    known = durations()
    if quick:
        found = [
            one for one in found
            if not any(word in one for word in LONG) and known.get(one, USUAL) < LONG_SECONDS
        ]  # fmt: skip
    return sorted(found, key=lambda one: -known.get(one, USUAL))


class Tally:
    """What passed and failed so far, by test."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outcomes: dict[str, str] = {}
        self.failed: list[str] = []
        self.times: dict[str, dict[str, float]] = {}

    def note(self, name: str, outcome: str) -> None:
        """*outcome* is passed, skipped or failed; a test that failed once has failed."""
        with self._lock:
            if self._outcomes.get(name) == "failed":
                return
            self._outcomes[name] = outcome
            if outcome == "failed":
                self.failed.append(name)

    def forgive(self, name: str) -> None:
        """Count a test that had failed as passed."""
        with self._lock:
            self._outcomes[name] = "passed"
            self.failed.remove(name)

    def counts(self) -> tuple[int, int, int]:
        """Passed, failed, skipped."""
        with self._lock:
            found = list(self._outcomes.values())
        return found.count("passed"), found.count("failed"), found.count("skipped")


class Run:
    """All jobs, and the slots that take them."""

    def __init__(
        self,
        jobs: list[Any],
        temp: Path,
        *,
        root: Path = ROOT,
        processes: int = 3,
        deadline: float = DEADLINE,
        hangs: float = HANGS,
    ) -> None:
        self.root = root
        self.temp = temp
        self.hangs = hangs
        self.tally = Tally()
        self.stopping = ""
        self.total = len(jobs)
        self._jobs = deque(jobs)
        self._lock = threading.Lock()
        self._finished = 0
        self._minutes = deadline / 60
        self.deadline = time.monotonic() + deadline
        # Nothing is written beside the source. Hundreds of processes are started, so that bytecode has to be kept.
        self.environ = {
            **os.environ,
            "PYTHONPATH": str(root),
            "PYTHONPYCACHEPREFIX": f"{sys.prefix}/bytecode",
            "CACKLED_TEST_SHARED": f"{temp}/shared",
            "HYPOTHESIS_STORAGE_DIRECTORY": f"{temp}/hypothesis",
        }
        (temp / "shared").mkdir(exist_ok=True)
        self.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        self.slots = [Slot(self, number) for number in range(max(1, min(processes, len(jobs))))]

    def take(self) -> Any:
        """The next job, or None."""
        with self._lock:
            return self._jobs.popleft() if self._jobs and not self.stopping else None

    def say(self, text: str) -> None:
        """Print *text*. A closed output does not end the run."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            print(text, flush=True)

    def outcome(self, name: str, outcome: str, text: str) -> None:
        """Note the outcome of a test."""
        self.tally.note(name, outcome)
        if outcome == "failed":
            self.say(f"== FAILED {name}\n{text.rstrip()}")
        elif outcome == "skipped":
            self.say(f"== skipped {name}: {text.strip()}")

    def fail(self, name: str, text: str) -> None:
        """Count and show a failure."""
        self.outcome(name, "failed", text)

    def ended(self, name: str, seconds: float, output: str, *, tests: int = 0, cpu: float = 0.0) -> None:
        """Note the end of a job."""
        self.tally.times[name] = {"seconds": round(seconds, 2), "cpu": cpu}
        self._finished += 1
        told = f"{tests} tests, " if tests else ""
        spent = f", {cpu:.1f} s CPU" if cpu else ""
        self.say(f"[{self._finished}/{self.total}] {name}: {told}{seconds:.1f} s{spent}" + f"\n{output}".rstrip())

    def stop(self, why: str) -> None:
        """Ask for an early end; *why* is shown."""
        self.stopping = self.stopping or why

    def work(self) -> Tally:
        """Run all jobs. Returns the counts."""
        for slot in self.slots:
            slot.start()
        while any(slot.is_alive() for slot in self.slots):
            time.sleep(0.1)
            if time.monotonic() > self.deadline:
                self.stop(f"not over within {self._minutes:.0f} minutes")
            if self.stopping:
                self._stop_all()
                break
        return self.tally

    def _stop_all(self) -> None:
        self.say(f"-- stopped: {self.stopping}; {self._finished} of {self.total} modules and checks were over")
        now = time.monotonic()
        told = self._say_running(now, set())
        enders = [
            threading.Thread(target=end, args=[slot.process]) for slot in self.slots if slot.process is not None
        ]  # fmt: skip
        for one in [*enders]:
            one.start()
        last = time.monotonic() + PATIENCE + 10
        for one in [*enders, *self.slots]:
            one.join(max(0.0, last - time.monotonic()))
        self._say_running(now, told)  # what was not known yet when the stop came

    def _say_running(self, now: float, told: set[str]) -> set[str]:
        running = {slot.test: now - slot.since for slot in self.slots if slot.test and slot.test not in told}
        for name, seconds in running.items():
            self.say(f"-- was running, for {max(0.0, seconds):.0f} s: {name}")
        return set(running)


def run_again(run: Run) -> list[str]:
    """Run the tests that failed in *run* once more, each alone. Returns those that passed now: they count as passed.

    A checker is not run again, and nothing is where more than MOST_AGAIN failed or the run was stopped.
    """
    failed = list(run.tally.failed)
    if run.stopping or len(failed) > MOST_AGAIN:
        return []
    passed = []
    for number, name in enumerate(failed):
        # "module: what went wrong outside of a test", "file of Node's tests:line name"
        job = name.split(":")[0]
        if not job.startswith("tests"):
            continue
        run.say(f"-- once more, alone: {job}")
        temp = run.temp / f"again-{number}"
        temp.mkdir()
        again = Run([job], temp, root=run.root, processes=1, deadline=run.deadline - time.monotonic(), hangs=run.hangs)
        good, bad, _ = again.work().counts()
        if good and not bad and not again.stopping:
            run.tally.forgive(name)
            passed.append(name)
    return passed


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Run everything. Returns the exit code."""
    about = "Runs ruff, mypy, the checks of the browser side and the tests."
    parser = argparse.ArgumentParser(prog="scripts/test", description=about)
    about_quick = f"leave out modules that take {LONG_SECONDS:.0f} s, and those with {', '.join(LONG)} in their names"
    parser.add_argument("--quick", action="store_true", help=about_quick)
    # One process more than there are cores, as tests wait much of their time.
    parser.add_argument("--processes", type=int, default=(os.cpu_count() or 1) + 1, help="default: cores + 1")
    parser.add_argument("--deadline", type=float, default=DEADLINE / 60, help="minutes (default: %(default).0f)")
    parser.add_argument("--times", type=Path, help="write the seconds that each module took to this file")
    parser.add_argument("names", nargs="*", help="packages, modules, classes or methods (default: tests)")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    # Longest first: mypy takes a minute, ruff less than a second.
    jobs: list[Any] = [*reversed(CHECKERS), *wanted(options.names, quick=options.quick, root=root)]
    with tempfile.TemporaryDirectory(prefix="cackled-tests-", ignore_cleanup_errors=True) as temp:
        os.chmod(temp, 0o755)  # a database server of another user reads below
        run = Run(jobs, Path(temp), root=root, processes=options.processes, deadline=options.deadline * 60)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, frame: run.stop(signal.Signals(number).name))
        tally = run.work()
        unsteady = run_again(run)
        passed, failed, skipped = tally.counts()
    if options.times:
        options.times.write_text(json.dumps(tally.times, indent=1, sort_keys=True) + "\n")
    for name in unsteady:
        print(f"-- unsteady, failed among the others and passed alone: {name}")
    for name in tally.failed:
        print(f"-- failed: {name}")
    if run.stopping:
        failed += 1
        print("-- the stop itself is counted as one failure")
    print(f"-- {time.monotonic() - began:.0f} s", flush=True)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""), flush=True)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
