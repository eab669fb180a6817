"""Runs ruff, mypy and trial one after the other and adds up what passed and failed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
_COUNT = re.compile(r"(successes|failures|errors|skips|expectedFailures|unexpectedSuccesses|todos)=(\d+)")
_END = re.compile(r"^(PASSED|FAILED)(?: \((.*)\))?\s*$")


def lint(name: str, *command: str) -> bool:
    print(f"-- {name}", flush=True)
    return subprocess.run([str(BIN / command[0]), *command[1:]], cwd=ROOT, check=False).returncode == 0


def trial(targets: list[str]) -> dict[str, int]:
    """Run trial in two processes, show its output, and give its counts; a run that did not end counts as a failure."""
    print("-- trial", flush=True)
    counts: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix="cackled-trial-") as temp:
        command = [sys.executable, "-m", "twisted.trial", "-j2", "--temp-directory", f"{temp}/t", *targets]
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        process = subprocess.Popen(
            command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace",
        )  # fmt: skip
        assert process.stdout is not None
        ended = False
        for line in process.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            match = _END.match(line)
            if match:
                ended = True
                counts = {name: int(number) for name, number in _COUNT.findall(match[2] or "")}
        code = process.wait()
    if not ended or (code != 0 and not any(counts.get(one) for one in ("failures", "errors", "unexpectedSuccesses"))):
        counts["errors"] = counts.get("errors", 0) + 1
    return counts


def main() -> int:
    began = time.monotonic()
    targets = sys.argv[1:] or ["tests"]
    results = [
        lint("ruff", "ruff", "check", "."),
        lint("mypy", "mypy"),
    ]
    counts = trial(targets)
    passed = sum(results) + counts.get("successes", 0) + counts.get("expectedFailures", 0)
    failed = results.count(False) + sum(counts.get(one, 0) for one in ("failures", "errors", "unexpectedSuccesses"))
    skipped = counts.get("skips", 0) + counts.get("todos", 0)
    print(f"-- {time.monotonic() - began:.0f} s")
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""), flush=True)
    return 1 if failed or not passed else 0


sys.exit(main())
