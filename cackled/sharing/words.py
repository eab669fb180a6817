"""Words of sharing: of the windows on our own origin, and of the widget, which gets them with the accounts."""

from __future__ import annotations

from pathlib import Path

from cackled.languages import Catalogue

WORDS = Catalogue(Path(__file__).parents[1] / "web" / "identity" / "locales", "sharing")
WIDGET_WORDS = (
    "shareTo", "connect", "reconnect", "disconnect", "blocked", "state_held", "state_waiting", "state_sent",
    "state_failed", "why_down", "why_limit", "why_lost", "why_refused", "why_broken", "why_private",
)  # fmt: skip
