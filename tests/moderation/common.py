"""Drafts for tests of moderation."""

from __future__ import annotations

from typing import Any

from cackled.domain import text as texts
from cackled.moderation.verdict import Draft


def draft(text: str = "hello there", **more: Any) -> Draft:
    """A draft as the service of comments makes it."""
    source = texts.clean_text(text, 10_000)
    made = {
        "kind": "comment", "channel": 5, "key": "page", "visitor": 11, "name": "Ann", "text": source,
        "html": texts.render(source),
    }  # fmt: skip
    return Draft(**{**made, **more})
