"""Reviews of other systems: who reads the formats, and who writes them."""

from __future__ import annotations

from cackled.importing.formats import Imports
from cackled.products.reviews.importing import cackle, jsonl, tables, yandex
from cackled.products.reviews.importing.writer import ReviewWriter

IMPORTS = Imports(formats=(*tables.FORMATS, cackle.FORMAT, yandex.FORMAT, jsonl.FORMAT), writer=ReviewWriter)
