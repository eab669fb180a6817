"""How comments and votes follow their author: a guest who signs in, and a person who shows another name or picture."""

from __future__ import annotations

from cackled.database.query import Query
from cackled.domain.people import Authored

AUTHORED = Authored(
    carry=Query(
        "carry_comments", "select channel, seq from carry_comments($1, $2, $3, $4)", ("int", "bigint", "bigint", "int")
    ),
    spread=Query("spread_comments", "select channel, seq from spread_comments($1, $2, $3)", ("int", "bigint", "int")),
)
