"""Nodes in the catalog: each announces itself there, and finds the others of its deployment.

A row gives nobody any trust: it says where a node may be, its certificate who it is.
"""

from __future__ import annotations

import msgspec
from twisted.logger import Logger

from cackled.config import Node
from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference

log = Logger()

# Rows beyond are not read: whoever fills the table must not fill every daemon.
MOST = 256

ANNOUNCE_NODE = Query(
    "announce_node",
    f"""
    with mine as (
      insert into catalog.node (name, deployment, facts) values ($1, $2, $3::jsonb)
      on conflict (name) do update set deployment = excluded.deployment, facts = excluded.facts, seen_at = now()
    ), gone as (
      delete from catalog.node where name <> $1 and seen_at < now() - make_interval(secs => $4)
    )
    select name, facts::text from catalog.node
    where name <> $1 and deployment = $2 and seen_at >= now() - make_interval(secs => $4)
    order by name limit {MOST}
    """,
    ("text", "text", "text", "float8"),
)
SELECT_NODES = Query(
    "select_nodes",
    f"""
    select name, facts::text from catalog.node
    where name <> $1 and deployment = $2 and seen_at >= now() - make_interval(secs => $3)
    order by name limit {MOST}
    """,
    ("text", "text", "float8"),
)
DELETE_NODE = Query("delete_node", "delete from catalog.node where name = $1 returning name", ("text",))


class NodeRegistry:
    """The table of nodes, for node *own* of *deployment*; rows not renewed for *forget* seconds are none."""

    def __init__(self, database: Database, own: Node, deployment: str, forget: float) -> None:
        self._database = database
        self._own = own
        self._deployment = deployment
        self._forget = forget

    async def announce(self) -> list[Node]:
        """Say that this node is there; gives the others. One round trip, to the primary.

        Raises:
            DatabaseError: the primary does not answer.
        """
        facts = {key: value for key, value in msgspec.to_builtins(self._own).items() if key != "name"}
        text = msgspec.json.encode(facts).decode()
        rows = await self._database.system.write(
            ANNOUNCE_NODE, self._own.name, self._deployment, text, self._forget
        )
        return _nodes(rows)

    async def others(self) -> list[Node]:
        """The others, from any server that answers.

        Raises:
            DatabaseError: none does.
        """
        rows = await self._database.system.read(
            SELECT_NODES, self._own.name, self._deployment, self._forget, preference=ReadPreference.PRIMARY_PREFERRED
        )
        return _nodes(rows.rows)

    async def remove(self, name: str) -> bool:
        """Forget a node now; False where there is none. One that runs is back in a moment."""
        return bool(await self._database.system.write(DELETE_NODE, name))


def _nodes(rows: list[tuple[str, str]]) -> list[Node]:
    made = []
    for name, text in rows:
        try:
            facts = msgspec.json.decode(text, type=dict[str, object])
            # What a newer release tells of itself is passed over.
            known = {key: value for key, value in facts.items() if key in Node.__struct_fields__ and key != "name"}
            made.append(msgspec.convert({"name": name, **known}, Node))
        except msgspec.MsgspecError as error:
            log.warn("node {name} in the catalog can't be read: {reason}", name=name, reason=str(error))
    return made
