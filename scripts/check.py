"""Runs ruff, mypy and trial one after the other and adds up what passed and failed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
# All tests take a few minutes; a run that takes this long hangs.
DEADLINE = 20 * 60.0
_COUNT = re.compile(r"(successes|failures|errors|skips|expectedFailures|unexpectedSuccesses|todos)=(\d+)")
_END = re.compile(r"^(PASSED|FAILED)(?: \((.*)\))?\s*$")
_BAD = ("failures", "errors", "unexpectedSuccesses")


def lint(name: str, *command: str) -> bool:
    """Run one checker; whether it was content."""
    print(f"-- {name}", flush=True)
    try:
        return subprocess.run([str(BIN / command[0]), *command[1:]], cwd=ROOT, check=False).returncode == 0
    except OSError as error:
        print(error, flush=True)
        return False


def stop(process: subprocess.Popen[str]) -> None:
    """End a run that hangs: first so that it can clean up, then for good."""
    print(f"-- trial does not end within {DEADLINE:.0f} s and is stopped", flush=True)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(20)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            pass
        return


def sweep(process: subprocess.Popen[str]) -> None:
    """Once a run is over, end what is left of it: workers that outlive it would hold its output open."""
    process.wait()
    time.sleep(2)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def trial(targets: list[str], temp: str) -> dict[str, int]:
    """Run trial, show its output, and give its counts; a run that did not end counts as a failure."""
    print("-- trial", flush=True)
    counts: dict[str, int] = {}
    # Three processes, as much of it is waiting. Nothing is written beside the source.
    command = [sys.executable, "-m", "twisted.trial", "-j3", "--temp-directory", f"{temp}/t", *targets]
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONPYCACHEPREFIX": f"{temp}/bytecode",
        "HYPOTHESIS_STORAGE_DIRECTORY": f"{temp}/hypothesis",
    }
    process = subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    timer = threading.Timer(DEADLINE, stop, [process])
    timer.start()
    threading.Thread(target=sweep, args=[process], daemon=True).start()
    ended = False
    try:
        for line in process.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            match = _END.match(line)
            if match:
                ended = True
                counts = {name: int(number) for name, number in _COUNT.findall(match[2] or "")}
        code = process.wait()
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGINT)
        code = process.wait()
        ended = False
    finally:
        timer.cancel()
    if not ended or (code != 0 and not any(counts.get(one) for one in _BAD)):
        print(f"-- trial did not end in order (exit code {code})", flush=True)
        counts["errors"] = counts.get("errors", 0) + 1
    return counts


def main() -> int:
    """Run all; the exit code."""
    began = time.monotonic()
    targets = sys.argv[1:] or ["tests"]
    results = [
        lint("ruff", "ruff", "check", "."),
        lint("mypy", "mypy"),
    ]
    with tempfile.TemporaryDirectory(prefix="cackled-trial-", ignore_cleanup_errors=True) as temp:
        os.chmod(temp, 0o755)  # a database server of another user reads below
        counts = trial(targets, temp)
    passed = sum(results) + counts.get("successes", 0) + counts.get("expectedFailures", 0)
    failed = results.count(False) + sum(counts.get(one, 0) for one in _BAD)
    skipped = counts.get("skips", 0) + counts.get("todos", 0)
    print(f"-- {time.monotonic() - began:.0f} s", flush=True)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""), flush=True)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
