"""Log lines: their form, their level, and how many there may be."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from cackled import logs
from cackled.logs import BURST, RATE, Limited, LineWriter, RateLimit, as_json, as_text

ROOT = Path(__file__).resolve().parents[1]


def event(form: str = "hello {name}", **more: Any) -> dict[str, Any]:
    return {
        "log_time": 1_700_000_000.25, "log_level": LogLevel.warn, "log_namespace": "cackled.x", "log_format": form,
        "name": "Ann", **more,
    }


class JsonTests(SynchronousTestCase):
    def test_line(self) -> None:
        """Time, level, place, message, and the event's own plain fields."""
        self.assertEqual(
            json.loads(as_json(event(count=3, part=object()))),
            {
                "time": "2023-11-14T22:13:20.250+00:00",
                "level": "warn",
                "logger": "cackled.x",
                "message": "hello Ann",
                "name": "Ann",
                "count": 3,
            },
        )

    def test_one_line(self) -> None:
        """Whatever is in it, an event is one line of JSON."""
        line = as_json(event(name='two\nlines "and" \x1b[2J é'))
        self.assertNotIn("\n", line)
        self.assertNotIn("\x1b", line)
        self.assertIn("two\nlines", json.loads(line)["message"])

    def test_broken_text(self) -> None:
        """What was no text to begin with is written too, escaped: nobody hides a line that way."""
        line = as_json(event(name="\udce9"))
        self.assertEqual(json.loads(line)["name"], "\udce9")
        line.encode("utf-8")

    def test_failure(self) -> None:
        """A failure brings its traceback."""
        try:
            raise ValueError("broken")
        except ValueError:
            line = json.loads(as_json(event(log_failure=Failure())))
        self.assertIn("ValueError: broken", line["traceback"])

    def test_fields_do_not_overwrite(self) -> None:
        """An event's field can't pose as the time or the message."""
        line = json.loads(as_json(event(level="debug", logger="fake", time=0)))
        self.assertEqual((line["level"], line["logger"]), ("warn", "cackled.x"))

    def test_event_without_anything(self) -> None:
        """Events of old-style loggers are lines too."""
        self.assertEqual(json.loads(as_json({}))["level"], "info")


class TextTests(SynchronousTestCase):
    """What an operator reads on a terminal."""

    def test_line(self) -> None:
        """Level, place without the product's name, message; a worker's lines say whose they are."""
        self.assertRegex(as_text(event()), r"^\d\d:\d\d:20 warn  x: hello Ann$")
        self.assertRegex(as_text(event(worker=1)), r" warn  worker 1 x: hello Ann$")
        self.assertRegex(as_text(event(suppressed=7)), r"hello Ann \(and 7 like it\)$")
        self.assertRegex(as_text({"log_namespace": "log_legacy"}), "info  twisted: ")

    def test_one_line(self) -> None:
        """Nothing in an event ends its line or moves the cursor."""
        line = as_text(event(name='two\nlines\t"and" \x1b[2J\x9b é \udce9'))
        self.assertTrue(line.endswith(r'two\nlines\t"and" \x1b[2J\x9b é \udce9'), line)

    def test_failure(self) -> None:
        """A traceback follows, indented."""
        try:
            raise ValueError("broken \x1b[2J")
        except ValueError:
            first, *more = as_text(event(log_failure=Failure())).split("\n")
        self.assertTrue(first.endswith("hello Ann"))
        self.assertTrue(all(line.startswith("    ") for line in more))
        self.assertIn(r"ValueError: broken \x1b[2J", more[-1])

    def test_auto(self) -> None:
        """Text on a terminal, JSON elsewhere."""
        for terminal, sign in ((True, "hello Ann\n"), (False, "}\n")):
            out = io.StringIO()
            out.isatty = lambda terminal=terminal: terminal  # type: ignore[method-assign, misc]
            Logger("cackled.x", observer=logs.observer("auto", out)).info("hello {name}", name="Ann")
            self.assertTrue(out.getvalue().endswith(sign), out.getvalue())


class RateLimitTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.now = 0.0
        self.limit = RateLimit(lambda: self.now)

    def admit(self, times: int, **more: Any) -> int:
        return sum(self.limit.admit(event(**more)) is not None for _ in range(times))

    def test_burst_then_rate(self) -> None:
        """So many at once, then so many a second; the next one through tells how many were left out."""
        self.assertEqual(self.admit(BURST + 30), BURST)
        self.now += 1
        self.assertEqual(self.limit.admit(event()), 30)
        self.assertEqual(self.admit(30), int(RATE) - 1)

    def test_by_message(self) -> None:
        """The values in a message do not make it another; another message has its own allowance."""
        self.admit(BURST)
        self.assertEqual(self.admit(5, name="Bob"), 0)
        self.assertEqual(self.admit(5, form="other"), 5)
        self.assertEqual(self.admit(5, log_namespace="cackled.y"), 5)

    def test_bounded(self) -> None:
        """Ever new messages do not take ever more memory."""
        for number in range(10_000):
            self.limit.admit(event(form=str(number)))
        self.assertLess(len(self.limit._buckets), 5_000)


class ObserverTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.addCleanup(logs.set_level, logs.levels.logLevelForNamespace("").name)
        self.out = io.StringIO()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.getvalue().splitlines()]

    def test_level(self) -> None:
        """What is below the level is not written; the level can be changed while running."""
        log = Logger("cackled.x", observer=logs.observer("json", self.out))
        logs.set_level("warn")
        log.info("one")
        log.error("two")
        logs.set_level("debug")
        log.debug("three")
        self.assertEqual([line["message"] for line in self.lines()], ["two", "three"])

    def test_text(self) -> None:
        """Text for eyes: one readable line."""
        Logger("cackled.x", observer=logs.observer("text", self.out)).info("hello {name}", name="Ann")
        self.assertIn("hello Ann", self.out.getvalue())
        self.assertEqual(self.out.getvalue().count("\n"), 1)

    def test_suppressed_are_counted(self) -> None:
        """The first line after a flood tells how many are missing."""
        now = [0.0]
        observer = Limited(LineWriter(self.out), RateLimit(lambda: now[0]))
        for _ in range(BURST + 7):
            observer(event())
        now[0] = 10.0
        observer(event())
        self.assertEqual(len(self.lines()), BURST + 1)
        self.assertEqual(self.lines()[-1]["suppressed"], 7)

    def test_closed_output(self) -> None:
        """A log that can't be written stops nothing."""
        self.out.close()
        LineWriter(self.out)(event())

    def test_text_is_limited_too(self) -> None:
        """The form for eyes floods as little as the other."""
        observer = logs.observer("text", self.out)
        for _ in range(10 * BURST):
            observer(event())
        self.assertLess(len(self.out.getvalue().splitlines()), 2 * BURST)


class FileTests(SynchronousTestCase):
    """`write_to`, in a process of its own."""

    def test_moved_away(self) -> None:
        """Output goes to the file's end; once more after it was moved away, to a new one; what can't be opened changes
        nothing."""
        path = Path(self.mktemp()).absolute()
        path.write_text("before\n")
        code = (
            "import os, sys\nfrom cackled import logs\n"
            "path = sys.argv[1]\nlogs.write_to(path)\nprint('one', flush=True)\nos.rename(path, path + '.1')\n"
            "print('two', flush=True)\nlogs.write_to(path)\nprint('three', file=sys.stderr, flush=True)\n"
            "try: logs.write_to('/nonexistent/log')\nexcept OSError: print('four', flush=True)\n"
        )
        subprocess.run([sys.executable, "-c", code, str(path)], check=True, timeout=60, cwd=ROOT)
        self.assertEqual(path.with_name(path.name + ".1").read_text(), "before\none\ntwo\n")
        self.assertEqual(path.read_text(), "three\nfour\n")
