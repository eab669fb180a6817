"""Polls that come back from our own exports: who reads them, and who writes them."""

from __future__ import annotations

from cackled.importing.formats import Imports
from cackled.products.polls.importing import jsonl
from cackled.products.polls.importing.writer import PollWriter

IMPORTS = Imports(formats=(jsonl.FORMAT,), writer=PollWriter)
