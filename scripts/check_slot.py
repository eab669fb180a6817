"""The processes of scripts/check.py: each runs one job (checker, module, file of Node's tests) after the other."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scripts.check import Run

NODE_REPORTER = Path(__file__).resolve().with_name("node_reporter.mjs")
BIN = Path(sys.executable).parent
WORKER = Path(__file__).resolve().parent / "check_worker.py"
# The time to end in order after a signal, in which daemons and databases are stopped. Seconds.
PATIENCE = 40.0
NODE_TESTS = ".test.mjs"
MOST_OUTPUT = 20_000
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def node() -> str | None:
    """The Node that the browser side is built with, where there is one."""
    program = [sys.executable, str(NODE_REPORTER.with_name("packaging") / "web.py"), "node"]
    return subprocess.run(program, capture_output=True, text=True, check=False).stdout.strip() or None


def _dies_with_us() -> None:
    """In a child: end in order when this program is killed."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


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
