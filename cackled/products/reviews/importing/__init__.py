"""Reviews of other systems: who reads the formats, and who writes them."""

from __future__ import annotations

from cackled.importing.formats import Imports
from cackled.products.reviews.importing import cackle, tables, yandex
from cackled.products.reviews.importing.writer import ReviewWriter

IMPORTS = Imports(formats=(*tables.FORMATS, cackle.FORMAT, yandex.FORMAT), writer=ReviewWriter)
