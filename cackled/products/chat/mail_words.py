"""The words of letters about chats, in every language."""

from __future__ import annotations

from pathlib import Path

from cackled.languages import Catalogue

WORDS = Catalogue(Path(__file__).parent / "web" / "mail", "chat")
