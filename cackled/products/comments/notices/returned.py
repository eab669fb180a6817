"""Mail that comes back: delivery status notifications (RFC 3464) and complaints (RFC 5965).

Only what names one of our letters by its signed Message-ID counts, and only what failed for good. Anybody may bring
such a report: whoever has the Message-ID had the letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from typing import Literal

from msgspec import Struct

# Bytes of a report that are read, parts of one, and Message-IDs that are looked at.
MOST = 256 * 1024
MOST_PARTS = 50
MOST_NAMES = 10
Reason = Literal["bounced", "complained"]
_NAME = re.compile(rb"<cackled\.n\.[0-9a-f.]{1,120}@[^\s<>@]{1,253}>")
_FAILED = re.compile(r"^\s*5\.\d{1,3}\.\d{1,3}")


class Report(Struct, frozen=True):
    """What came back, and why; ``names`` are Message-IDs that may be ours."""

    reason: Reason
    names: tuple[str, ...]


def read_report(raw: bytes) -> Report | None:
    """The report in a message; None where it is none, or says that nothing failed for good."""
    try:
        message = message_from_bytes(raw[:MOST])
        parts = list(_parts(message))
    except (ValueError, LookupError, RecursionError, AssertionError, TypeError, AttributeError):
        # The parser of the standard library trips over some malformed headers.
        return None
    reason: Reason | None = None
    for part in parts:
        kind = part.get_content_type()
        if kind == "message/feedback-report":
            if _field(part, "feedback-type").lower() in ("abuse", "fraud", "opt-out", "opt-out-list", "not-spam-off"):
                reason = "complained"
        elif kind in ("message/delivery-status", "message/global-delivery-status") and reason is None:
            reason = "bounced" if any(_failed(one) for one in _blocks(part)) else None
    if reason is None:
        return None
    names = dict.fromkeys(one.decode("ascii") for one in _NAME.findall(raw[:MOST]))
    return Report(reason, tuple(names)[:MOST_NAMES])


def _parts(message: Message) -> Iterator[Message]:
    for number, part in enumerate(message.walk()):
        if number >= MOST_PARTS:
            return
        yield part


def _blocks(part: Message) -> list[Message]:
    """The groups of fields of a delivery status: the parser gives each as a message."""
    payload = part.get_payload()
    return [one for one in payload if isinstance(one, Message)][:MOST_PARTS] if isinstance(payload, list) else []


def _failed(block: Message) -> bool:
    return str(block.get("Action", "")).strip().lower() == "failed" and (
        _FAILED.match(str(block.get("Status", ""))) is not None)


def _field(part: Message, name: str) -> str:
    payload = part.get_payload()
    if isinstance(payload, list):
        found_in = [one for one in payload if isinstance(one, Message) and one.get(name)]
        return str(found_in[0][name]).strip() if found_in else ""
    found = re.search(rf"(?im)^{name}:[ \t]*(\S+)", str(payload))
    return found[1] if found else ""
