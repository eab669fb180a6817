"""Logs: one JSON object a line, or text for people. A message that repeats too fast is counted instead of written."""

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

# How often one message (format string) may be written: lines per second, and lines in a burst.
RATE = 5.0
BURST = 50
# Twisted's own loggers whose messages are of no use to an operator.
_TWISTED = ("log_legacy", "twisted.scripts._twistd_unix.UnixAppLogger")
_CONTROL_BUT_NEWLINE = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), *range(127, 160))}
_CONTROL = {**_CONTROL_BUT_NEWLINE, 9: "\\t", 10: "\\n"}
_HIDDEN = ("log_", "format", "message", "isError", "why", "failure", "traceback")

# The latest warnings and errors: wall time, level, logger, text.
KEPT = 20
LONGEST_KEPT = 300
latest: deque[tuple[float, str, str, str]] = deque(maxlen=KEPT)
# Like "HttpFactory starting on 8080" or "(UDP Port 53 Closed)". We log this ourselves, in words and with addresses.
_LISTENS = re.compile(r"\S+ starting on |\((?:TCP|UDP|UNIX) Port .* Closed\)$")


@implementer(ILogFilterPredicate)
def _ours(event: LogEvent) -> Any:
    """A filter that drops what Twisted logs about its listeners."""
    said = event.get("log_text") if event.get("log_namespace") == "log_legacy" else None
    return PredicateResult.no if said is not None and _LISTENS.match(str(said)) else PredicateResult.maybe


levels = LogLevelFilterPredicate(defaultLogLevel=LogLevel.info)


def set_level(name: str) -> None:
    """From now on write events of level *name* (debug, info, warn, error) and above."""
    levels.clearLogLevels()
    levels.setLogLevelForNamespace("", LogLevel.levelWithName(name))


class RateLimit:
    """A token bucket for each message: it lets an event pass, or counts it as suppressed."""

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._buckets: dict[object, tuple[float, float, int]] = {}

    def admit(self, event: LogEvent) -> int | None:
        """How many earlier events of this message were suppressed; None if this one is to be suppressed too."""
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
    """One line of JSON for *event*: time, level, logger, message, and the event's fields that are plain values."""
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
        # A lone surrogate, from bytes that are not UTF-8: it is escaped, so that the event is written all the same.
        return dumps(line)


def as_text(event: LogEvent) -> str:
    """One line for people: local time, level, logger, message. A traceback follows, indented.

    Control characters are escaped, so that text from a stranger can't move the cursor or imitate a log line.
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
    """Passes events to *inner*, rate-limited per message.

    The first event after a pause has the field ``suppressed``: how many were left out before it.
    """

    def __init__(self, inner: ILogObserver, limit: RateLimit | None = None) -> None:
        self._inner = inner
        self._limit = limit or RateLimit()

    def __call__(self, event: LogEvent) -> None:
        """Pass *event* on, or count it as suppressed."""
        missed = self._limit.admit(event)
        if missed is None:
            return
        self._inner({**event, "suppressed": missed} if missed else event)


@implementer(ILogObserver)
class Kept:
    """Passes events to *inner*, and keeps the latest warnings and errors for operators."""

    def __init__(self, inner: ILogObserver) -> None:
        self._inner = inner

    def __call__(self, event: LogEvent) -> None:
        """Pass *event* on, and keep it if it is a warning or an error."""
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
    """Writes each event to a file, in the format that *form* gives, and a newline."""

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
    """The daemon's log observer. It writes to standard output unless *out* is given.

    *form* is ``json``, ``text``, or ``auto`` (text for a terminal, JSON for everything else).
    """
    out = out or sys.stdout
    if form == "auto":
        form = "text" if out.isatty() else "json"
    inner = LineWriter(out, as_json if form == "json" else as_text)
    return FilteringLogObserver(Limited(Kept(inner)), [levels, _ours])


def write_to(path: str) -> None:
    """From now on append standard output and standard error to the file *path*, for child processes too.

    Raises:
        OSError: the file can't be opened; nothing has changed then.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    for number in (1, 2):
        os.dup2(descriptor, number)
    os.close(descriptor)


def json() -> Any:
    """For ``twistd --logger cackled.logs.json``."""
    return observer("json")
