"""Runs ruff, mypy, the checks of the browser side and all tests in parallel and counts what passed and failed.

    scripts/check.py [--quick] [--processes N] [--deadline MINUTES] [--times FILE] [name ...]

Names are packages, modules, classes or methods of tests, or files of tests of the browser side (``*.test.mjs``, run by
``node --test``, each test counted); without any, everything runs. Each process of check_worker.py
takes one module after the other, those known to be long first, and writes down every start and end at once: so the
counts are right whenever the run is stopped, a process that dies costs one test, and a test that hangs is ended alone.
The last line is ``N passed, N failed[, N skipped]``; the exit code is 0 when something passed and nothing failed.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parent.parent
NODE_REPORTER = Path(__file__).resolve().with_name("node_reporter.mjs")
BIN = Path(sys.executable).parent
WORKER = Path(__file__).resolve().parent / "check_worker.py"
# Seconds. All tests take a few minutes; slow machines are given time, a run that takes this long hangs.
DEADLINE = 75 * 60.0
# One test without an end; the longest ones take about a minute.
HANGS = 20 * 60.0
# The time to end in order after a signal, in which daemons and databases are stopped.
PATIENCE = 40.0
# Modules whose names hold one of these are left out by --quick.
LONG = ("browser", "cluster", "replica", "promotion", "shard", "moving", "residency", "fault", "backup")
# Program beside the interpreter, and its arguments.
CHECKERS = (
    ("ruff", "check", "."),
    ("mypy", "cackled", "scripts", "tests"),
    ("python", "scripts/packaging/web.py", "check"),
)
# The seconds assumed for a module that is not in durations.json.
USUAL = 2.0
NODE_TESTS = ".test.mjs"
MOST_OUTPUT = 20_000
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


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
    if quick:
        found = [one for one in found if not any(word in one for word in LONG)]
    known = durations()
    return sorted(found, key=lambda one: -known.get(one, USUAL))


def node() -> str | None:
    """The Node that the browser side is built with, where there is one."""
    program = [sys.executable, str(NODE_REPORTER.with_name("packaging") / "web.py"), "node"]
    return subprocess.run(program, capture_output=True, text=True, check=False).stdout.strip() or None


def _dies_with_us() -> None:
    """In a child: end in order when this program is killed."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


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

    def counts(self) -> tuple[int, int, int]:
        """Passed, failed, skipped."""
        with self._lock:
            found = list(self._outcomes.values())
        return found.count("passed"), found.count("failed"), found.count("skipped")


class Slot(threading.Thread):
    """Takes one job after the other, and keeps the process that runs tests."""

    def __init__(self, run: Run, number: int) -> None:
        super().__init__(daemon=True, name=f"slot {number}")
        self._run = run
        self._number = number
        self._lives = 0
        self.process: subprocess.Popen[bytes] | None = None
        # The running job, and when it began.
        self.test = ""
        self.since = 0.0
        self._shown = 0
        self._hung = False

    def run(self) -> None:
        """Until nothing is left, or the run is stopped."""
        try:
            while (job := self._run.take()) is not None:
                if isinstance(job, tuple):
                    self._check(job)
                elif job.endswith(NODE_TESTS):
                    self._node(job)
                else:
                    self._test(job)
            self._close()
        except Exception as error:
            self._run.fail(f"{self.name}", f"{type(error).__name__}: {error}")

    # -- ruff, mypy and web.py

    def _check(self, command: tuple[str, ...]) -> None:
        name = Path(command[1]).name if command[0] == "python" else command[0]
        self.test, self.since = name, time.monotonic()
        path = self._run.temp / f"{name}.out"
        checker: subprocess.Popen[bytes] | None = None
        with open(path, "wb") as out:
            try:
                checker = subprocess.Popen(
                    [str(BIN / command[0]), *command[1:]], cwd=self._run.root, stdout=out, stderr=out,
                    start_new_session=True, preexec_fn=_dies_with_us,
                )  # fmt: skip
            except OSError as error:
                out.write(str(error).encode())
        good = False
        if checker is not None:
            while checker.poll() is None:
                if self._run.stopping:
                    checker.kill()
                time.sleep(0.05)
            good = checker.returncode == 0
        if not self._run.stopping:
            self._run.ended(name, time.monotonic() - self.since, path.read_text("utf-8", "replace").strip())
            self._run.tally.note(name, "passed" if good else "failed")
        self.test = ""

    # -- tests of the browser side

    def _node(self, name: str) -> None:
        """Run one file of Node's tests."""
        program = node()
        if program is None:
            self._run.outcome(name, "skipped", "there is no Node")
            return
        self.test, self.since = name, time.monotonic()
        path = self._run.temp / f"{name.replace('/', '-')}.out"
        with open(path, "wb") as out:
            process = subprocess.Popen(
                [program, "--test", f"--test-reporter={NODE_REPORTER.as_uri()}", name], cwd=self._run.root,
                env={"RUNS": "60", **self._run.environ}, stdout=out, stderr=out,
                start_new_session=True, preexec_fn=_dies_with_us,
            )  # fmt: skip
            hung = False
            while process.poll() is None and not self._run.stopping and not hung:
                time.sleep(0.05)
                hung = time.monotonic() - self.since > self._run.hangs
            end(process)
        if not self._run.stopping:
            self._tell_node(name, path.read_text("utf-8", "replace"), process.returncode, hung)
            self.test = ""

    def _tell_node(self, name: str, text: str, code: int, hung: bool) -> None:
        """Note what the reporter said."""
        output = ""
        outcomes: list[tuple[str, str, str]] = []
        for line in text.splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                event = None
            if not isinstance(event, dict):
                output += line + "\n"
            # The file itself passes where it has no tests.
            elif "outcome" in event and (event["outcome"] != "passed" or not event["name"].endswith(NODE_TESTS)):
                outcomes.append((f"{name}:{event.get('line')} {event['name']}", event["outcome"], event["text"]))
            else:
                output += str(event.get("output", ""))
        for one in outcomes:
            self._run.outcome(*one)
        if hung:
            self._run.fail(name, f"had not ended after {self._run.hangs:.0f} s")
        elif code and not any(outcome == "failed" for _, outcome, _ in outcomes):
            self._run.fail(name, f"its process ended (exit code {code})\n{output[-MOST_OUTPUT:]}")
        elif not outcomes:
            self._run.fail(name, "it has no tests")
        self._run.ended(name, time.monotonic() - self.since, output[-MOST_OUTPUT:].strip(), tests=len(outcomes))

    # -- tests

    def _open(self) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
        if self.process is not None:
            return self.process, self._events
        self._lives += 1
        self._shown = 0
        self._hung = False
        folder = self._run.temp / f"{self._number}-{self._lives}"
        folder.mkdir()
        self._output = folder / "output"
        read, write = os.pipe()
        with open(self._output, "wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, str(WORKER), str(write)], cwd=folder, env=self._run.environ, stdin=subprocess.PIPE,
                stdout=out, stderr=out, pass_fds=[write], start_new_session=True, preexec_fn=_dies_with_us,
            )  # fmt: skip
        os.close(write)
        self._events: IO[bytes] = os.fdopen(read, "rb", buffering=0)
        return self.process, self._events

    def _test(self, name: str) -> None:
        """Run one module, over as many processes as it takes."""
        began = time.monotonic()
        seen: list[str] = []
        used = 0.0
        while not self._run.stopping:
            process, events = self._open()
            assert process.stdin is not None
            with contextlib.suppress(OSError):
                process.stdin.write(json.dumps({"name": name, "without": seen}).encode() + b"\n")
                process.stdin.flush()
            done = False
            before = len(seen)
            for event in self._follow(process, events):
                if (self._hung or self._run.stopping) and event.get("outcome") == "failed":
                    continue  # it was told to end
                if "start" in event:
                    self.test, self.since = event["start"], time.monotonic()
                    seen.append(self.test)
                elif "done" in event:
                    used += event["cpu"]
                    done = True
                    break
                else:
                    name_of = event.get("end") or f"{name}: {event['of']}"
                    self._run.outcome(name_of, event["outcome"], event.get("text", ""))
                    if "end" in event:
                        self.test = ""
            if done:
                break
            if self._run.stopping or self._bury(name, len(seen) > before):
                return
        if self._run.stopping:
            return
        output = self._new_output()
        self._run.ended(name, time.monotonic() - began, output, tests=len(set(seen)), cpu=used)

    def _follow(self, process: subprocess.Popen[bytes], events: IO[bytes]) -> Iterator[dict[str, Any]]:
        """The events of a process until it ends; what it started may hold the pipe open longer."""
        rest = b""
        with selectors.DefaultSelector() as selector:
            selector.register(events, selectors.EVENT_READ)
            while True:
                ready = selector.select(0.5)
                if ready:
                    data = os.read(events.fileno(), 1 << 16)
                    if not data:
                        return
                    *lines, rest = (rest + data).split(b"\n")
                    for line in lines:
                        yield json.loads(line)
                elif process.poll() is not None:
                    return
                elif self.test and time.monotonic() - self.since > self._run.hangs and not self._hung:
                    self._hung = True
                    threading.Thread(target=self._end_hung, args=[process], daemon=True).start()

    @staticmethod
    def _end_hung(process: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(OSError):
            process.send_signal(signal.SIGUSR1)
            time.sleep(1)
        end(process)

    def _bury(self, name: str, moved: bool) -> bool:
        """A process ended within a module: report the test that caused it. Returns whether to give up the rest."""
        assert self.process is not None
        end(self.process)
        code, hung = self.process.returncode, self._hung
        why = f"had not ended after {self._run.hangs:.0f} s" if hung else f"its process ended (exit code {code})"
        self._run.fail(self.test or name, f"{why}\n{self._new_output()}")
        self.test = ""
        self._events.close()
        self.process = None
        # Without any test begun, the next process would end in the same way.
        return not moved

    def _new_output(self) -> str:
        """What tests wrote to standard output and standard error since the last call."""
        with open(self._output, "rb") as file:
            file.seek(self._shown)
            data = file.read()
        self._shown += len(data)
        if len(data) > MOST_OUTPUT:
            data = b"...\n" + data[-MOST_OUTPUT:]
        return data.decode("utf-8", "replace").strip()

    def _close(self) -> None:
        """Let the process end in order."""
        if self.process is None or self.process.stdin is None:
            return
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(PATIENCE)
        end(self.process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process in order if it can be, and whatever is left of its group."""
    with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
        if process.poll() is None:
            process.terminate()
            process.wait(PATIENCE)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


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


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Run everything. Returns the exit code."""
    about = "Runs ruff, mypy, the checks of the browser side and the tests."
    parser = argparse.ArgumentParser(prog="scripts/test", description=about)
    parser.add_argument("--quick", action="store_true", help=f"leave out modules with {', '.join(LONG)} in their names")
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
        passed, failed, skipped = tally.counts()
    if options.times:
        options.times.write_text(json.dumps(tally.times, indent=1, sort_keys=True) + "\n")
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
