"""Comments of other systems: a module for each format, and who writes them."""

from __future__ import annotations

from cackled.importing.formats import Imports
from cackled.products.comments.importing import (
    artalk,
    cackle,
    comentario,
    commento,
    cusdis,
    disqus,
    fastcomments,
    follows,
    hyvor,
    isso,
    jsonl,
    remark42,
    valine,
    waline,
    wxr,
)
from cackled.products.comments.importing.writer import CommentWriter

IMPORTS = Imports(
    formats=(
        disqus.FORMAT, wxr.FORMAT, isso.FORMAT, remark42.FORMAT, commento.FORMAT, comentario.FORMAT,
        fastcomments.FORMAT, hyvor.FORMAT, cusdis.FORMAT, artalk.FORMAT, waline.FORMAT, valine.FORMAT, cackle.FORMAT,
        jsonl.FORMAT, follows.FORMAT,
    ),
    writer=CommentWriter,
)  # fmt: skip
