"""One process of scripts/check.py: runs the tests it is told and writes down each start and end as it happens.

Reads orders on standard input, one JSON object a line: ``{"name": "tests.cache.test_sieve", "without": [ids]}``.
Writes events to the file descriptor that is its first argument, one JSON object a line:

    {"start": id}
    {"end": id, "outcome": "passed" | "skipped" | "failed", "seconds": 0.1, "text": "..."}
    {"outcome": "failed", "of": id, "text": ...}   something went wrong outside of the test, or after it had ended
    {"done": name, "cpu": 1.5}

SIGUSR1 writes the stacks of all threads to standard error. At the end of input the process ends in order: what tests
share is stopped by ``atexit``.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

# The folder of this script is no place to import from.
sys.path[:] = [one for one in sys.path if os.path.abspath(one or ".") != os.path.dirname(os.path.abspath(__file__))]

from twisted.logger import globalLogBeginner, textFileLogObserver  # noqa: E402
from twisted.python.failure import Failure  # noqa: E402
from twisted.trial import util  # noqa: E402
from twisted.trial.reporter import TestResult  # noqa: E402
from twisted.trial.runner import TestLoader, TrialSuite  # noqa: E402
from twisted.trial.unittest import TestSuite  # noqa: E402

# Of a test that waits for something: a slow machine gets there, a broken test does not.
TIMEOUT = 600.0
MOST_TEXT = 20_000


class Result(TestResult):
    """Tells *out* what becomes of each test; keeps nothing of it, as failures hold on to all that a test made."""

    def __init__(self, out: Any) -> None:
        super().__init__()
        self._out = out
        self._now = ""
        self._began = 0.0
        self._outcome = "passed"
        self._text: list[str] = []

    def tell(self, **event: Any) -> None:
        """Write one event."""
        self._out.write(json.dumps(event).encode() + b"\n")
        self._out.flush()

    def startTest(self, test: Any) -> None:
        """Begin."""
        super().startTest(test)
        # Again each time: the reactor takes the signal while it runs (trial then ends the test with KeyboardInterrupt).
        signal.signal(signal.SIGTERM, self._stop)
        self._now, self._began, self._outcome, self._text = test.id(), time.monotonic(), "passed", []
        self.tell(start=self._now)

    def stopTest(self, test: Any) -> None:
        """End; the worst of what was told before holds."""
        super().stopTest(test)
        self.tell(
            end=test.id(), outcome=self._outcome, seconds=round(time.monotonic() - self._began, 3),
            text="\n".join(self._text)[:MOST_TEXT],
        )  # fmt: skip
        self._now = ""

    def _stop(self, number: int, frame: Any) -> None:
        """Asked to end: the test's cleanups run, no other test begins, and what tests share is stopped."""
        self.stop()
        sys.exit(128 + number)

    def _bad(self, test: Any, text: str) -> None:
        if self._now and test.id() == self._now:
            self._outcome = "failed"
            self._text.append(text)
        else:
            self.tell(of=test.id(), outcome="failed", text=text[:MOST_TEXT])

    def addFailure(self, test: Any, fail: Any) -> None:
        """An assertion did not hold."""
        self._bad(test, self._traceback(fail))

    def addError(self, test: Any, error: Any) -> None:
        """An exception."""
        self._bad(test, self._traceback(error))

    def addUnexpectedSuccess(self, test: Any, todo: Any = None) -> None:
        """A test that is known to fail does not."""
        self._bad(test, "passed, but is marked as failing")

    def addSkip(self, test: Any, reason: Any) -> None:
        """Not run, or ended early."""
        if self._outcome == "passed":
            self._outcome = "skipped"
            self._text.append(str(reason))

    def _traceback(self, error: Any) -> str:
        failure = error if isinstance(error, Failure) else Failure(error[1], error[0], error[2])
        return failure.getTraceback()


def cases(test: Any) -> list[Any]:
    """All tests of a suite, in order."""
    try:
        parts = list(test)
    except TypeError:
        return [test]
    return [one for part in parts for one in cases(part)]


def cpu() -> float:
    """Seconds of this process and of all that it started, whether they have ended (a database serves many tests)."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    ticks = 0
    families = {os.getpid()}
    for pid in sorted(int(one) for one in os.listdir("/proc") if one.isdecimal()):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
            if int(fields[1]) in families:
                families.add(pid)
                # User and system, its own and that of children it has waited for.
                ticks += sum(int(one) for one in fields[11:15])
    return sum(one.ru_utime + one.ru_stime for one in used) + ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Until the input ends, or a test asks the run to stop."""
    descriptor = int(sys.argv[1])
    os.set_inheritable(descriptor, False)
    out = os.fdopen(descriptor, "wb")
    # A copy of our own, as tests may close theirs; what they start gets no orders.
    orders = os.fdopen(os.dup(0), "rb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    util.DEFAULT_TIMEOUT_DURATION = TIMEOUT
    log = open("test.log", "a")  # noqa: SIM115 - as long as the process
    globalLogBeginner.beginLoggingTo([textFileLogObserver(log)], redirectStandardIO=False)
    # A slow machine draws slowly too: no test fails for the seconds that it took.
    with contextlib.suppress(ImportError):
        from hypothesis import HealthCheck, settings

        settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
        settings.load_profile("patient")
    loader = TestLoader()
    result = Result(out)
    for line in orders:
        order = json.loads(line)
        began = cpu()
        without = set(order["without"])
        found = loader.loadByName(order["name"], recurse=True)
        TrialSuite([TestSuite([one for one in cases(found) if one.id() not in without])]).run(result)
        if result.shouldStop:
            sys.exit(1)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):  # a test may have closed it
                stream.flush()
        result.tell(done=order["name"], cpu=round(cpu() - began, 3))


if __name__ == "__main__":
    main()
