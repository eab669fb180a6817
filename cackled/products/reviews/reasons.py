"""Why a review is not shown: reasons that say nothing of whether it praises. The author is told the one that holds."""

from __future__ import annotations

REASONS = (
    "offtopic", "offensive", "personal-data", "advertising", "fake", "conflict-of-interest", "illegal", "duplicate",
    "not-experienced",
)  # fmt: skip
