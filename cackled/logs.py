"""Logs: one JSON object a line, or text for eyes; a key that repeats too fast is counted, not written.

Base layer: imports the standard library, msgspec and twisted.logger only.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from json import dumps
from textwrap import indent
from typing import IO, Any

import msgspec
from twisted.logger import (
    FilteringLogObserver,
    ILogFilterPredicate,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    PredicateResult,
    formatEvent,
)
from zope.interface import implementer

# A message (its format string) may be written this often, in lines per second and at once.
RATE = 5.0
BURST = 50
# Loggers of the framework's own that say nothing to an operator.
_TWISTED = ("log_legacy", "twisted.scripts._twistd_unix.UnixAppLogger")
_CONTROL_BUT_NEWLINE = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), *range(127, 160))}
_CONTROL = {**_CONTROL_BUT_NEWLINE, 9: "\\t", 10: "\\n"}
_HIDDEN = ("log_", "format", "message", "isError", "why", "failure", "traceback")

# The latest warnings and errors: wall time, level, where, text.
KEPT = 20
LONGEST_KEPT = 300
latest: deque[tuple[float, str, str, str]] = deque(maxlen=KEPT)
# "HttpFactory starting on 8080", "(UDP Port 53 Closed)": we say it ourselves, with addresses and in words.
_LISTENS = re.compile(r"\S+ starting on |\((?:TCP|UDP|UNIX) Port .* Closed\)$")


@implementer(ILogFilterPredicate)
def _ours(event: LogEvent) -> Any:
    """Leave out what the framework says of its listeners."""
    said = event.get("log_text") if event.get("log_namespace") == "log_legacy" else None
    return PredicateResult.no if said is not None and _LISTENS.match(str(said)) else PredicateResult.maybe


levels = LogLevelFilterPredicate(defaultLogLevel=LogLevel.info)


def set_level(name: str) -> None:
    """Write *name* (debug, info, warn, error) and worse from now on."""
    levels.clearLogLevels()
    levels.setLogLevelForNamespace("", LogLevel.levelWithName(name))


class RateLimit:
    """A token bucket for each message: passes an event, or counts it as suppressed."""

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._buckets: dict[object, tuple[float, float, int]] = {}

    def admit(self, event: LogEvent) -> int | None:
        """The number of earlier events of this kind left out, or None when this one is to be left out too."""
        key = (event.get("log_namespace"), event.get("log_format"))
        now = self._seconds()
        tokens, then, missed = self._buckets.get(key, (float(BURST), now, 0))
        tokens = min(float(BURST), tokens + (now - then) * RATE)
        if tokens < 1:
            self._buckets[key] = (tokens, now, missed + 1)
            return None
        if len(self._buckets) > 4096:
            self._buckets.clear()
        self._buckets[key] = (tokens - 1, now, 0)
        return missed


def as_json(event: LogEvent) -> str:
    """One line of JSON for *event*: time, level, where, message, and the event's own plain fields."""
    level = event.get("log_level")
    line: dict[str, Any] = {
        "time": datetime.fromtimestamp(event.get("log_time", 0.0), UTC).isoformat(timespec="milliseconds"),
        "level": level.name if level is not None else "info",
        "logger": event.get("log_namespace", ""),
        "message": formatEvent(event),
    }
    for key, value in event.items():
        if key.startswith(_HIDDEN) or key in ("system", "time") or key in line:
            continue
        if isinstance(value, str | int | float | bool):
            line[key] = value
    failure = event.get("log_failure")
    if failure is not None:
        line["traceback"] = failure.getTraceback()
    try:
        return msgspec.json.encode(line).decode()
    except UnicodeEncodeError:
        # A lone surrogate, from bytes that were no text: written escaped rather than not at all.
        return dumps(line)


def as_text(event: LogEvent) -> str:
    """One line for eyes: local time, level, where, message; a traceback follows, indented.

    Control characters are escaped, so that no stranger's text moves the cursor or fakes a line.
    """
    level = event.get("log_level")
    name = level.name if level is not None else "info"
    when = datetime.fromtimestamp(event.get("log_time", 0.0)).strftime("%H:%M:%S")
    where = str(event.get("log_namespace", "")).removeprefix("cackled.")
    if where in _TWISTED:
        where = "twisted"
    if "worker" in event:
        where = f"worker {event['worker']} {where}"
    line = f"{when} {name:<5} {where}: {formatEvent(event)}".translate(_CONTROL)
    if event.get("suppressed"):
        line += f" (and {event['suppressed']} like it)"
    failure = event.get("log_failure")
    if failure is not None:
        line += "\n" + indent(failure.getTraceback().rstrip().translate(_CONTROL_BUT_NEWLINE), "    ")
    return line.encode("utf-8", "backslashreplace").decode()


@implementer(ILogObserver)
class Limited:
    """Hands events on to *inner*, rate-limited per message; one that stands for others carries ``suppressed``."""

    def __init__(self, inner: ILogObserver, limit: RateLimit | None = None) -> None:
        self._inner = inner
        self._limit = limit or RateLimit()

    def __call__(self, event: LogEvent) -> None:
        """Hand *event* on, or count it."""
        missed = self._limit.admit(event)
        if missed is None:
            return
        self._inner({**event, "suppressed": missed} if missed else event)


@implementer(ILogObserver)
class Kept:
    """Hands events on to *inner*, and remembers the latest warnings and errors, for operators."""

    def __init__(self, inner: ILogObserver) -> None:
        self._inner = inner

    def __call__(self, event: LogEvent) -> None:
        """Hand *event* on."""
        level = event.get("log_level")
        if level is not None and level >= LogLevel.warn:
            failure = event.get("log_failure")
            text = " ".join(formatEvent(event).split())
            if failure is not None:
                text += f": {type(failure.value).__name__} (traceback in the log)"
            where = str(event.get("log_namespace", "")).removeprefix("cackled.")
            latest.append((event.get("log_time", 0.0), level.name, where, text[:LONGEST_KEPT]))
        self._inner(event)


@implementer(ILogObserver)
class LineWriter:
    """Writes each event as *form* makes it, and a line's end, to a file."""

    def __init__(self, out: IO[str], form: Callable[[LogEvent], str] = as_json) -> None:
        self._out = out
        self._form = form

    def __call__(self, event: LogEvent) -> None:
        """Write *event*."""
        try:
            self._out.write(self._form(event) + "\n")
            self._out.flush()
        except (OSError, ValueError):
            pass


def observer(form: str = "json", out: IO[str] | None = None) -> Any:
    """The observer of the daemon, to standard output unless *out* is given.

    *form* is ``json``, ``text``, or ``auto``: text for a terminal, JSON for everything else.
    """
    out = out or sys.stdout
    if form == "auto":
        form = "text" if out.isatty() else "json"
    inner = LineWriter(out, as_json if form == "json" else as_text)
    return FilteringLogObserver(Limited(Kept(inner)), [levels, _ours])


def write_to(path: str) -> None:
    """Standard output and error are the end of this file from now on, for child processes too.

    Raises:
        OSError: it can't be opened; all stays as it was.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    for number in (1, 2):
        os.dup2(descriptor, number)
    os.close(descriptor)


def json() -> Any:
    """For ``twistd --logger cackled.logs.json``."""
    return observer("json")
