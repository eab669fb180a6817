"""Which nodes there may be: those of the configuration, and those found in the database.

What the configuration says of a node counts; of others what they announced. A node that is found is used once it was
heard: over the mesh, which asks for its certificate, or without one by its /readyz.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from ipaddress import ip_address

from twisted.logger import Logger

from cackled.cluster.ca import CaError, check_name
from cackled.cluster.mesh import address
from cackled.config import ConfigError, Node

log = Logger()


class Roster:
    """All nodes, the configured ones first, the others by name.

    Args:
        meshed: nodes need an address for the mesh, and names that certificates can hold.
        changed: called when the nodes are others than before, with all of them.
    """

    def __init__(
        self,
        configured: Sequence[Node],
        own: str,
        *,
        meshed: bool,
        refused: Collection[str],
        changed: Callable[[tuple[Node, ...]], None],
    ) -> None:
        self._configured = tuple(configured)
        self._own = own
        self._meshed = meshed
        self._refused = frozenset(refused)
        self._changed = changed
        self._last: tuple[Node, ...] = ()
        self._told: set[str] = set()
        self.found: tuple[Node, ...] = ()

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All of them."""
        return (*self._configured, *self.found)

    def configure(self, nodes: Sequence[Node], refused: Collection[str]) -> None:
        """The configuration was read again: these are its nodes, and names not to be taken from the database."""
        other = tuple(nodes) != self._configured
        self._configured = tuple(nodes)
        self._refused = frozenset(refused)
        if not self._take(self._last) and other:
            self._changed(self.nodes)

    def take(self, others: Sequence[Node]) -> None:
        """These are in the database now."""
        self._take(others)

    def _take(self, others: Sequence[Node]) -> bool:
        self._last = tuple(others)
        here = {node.name for node in self._configured} | {self._own}
        found = [node for node in others if node.name not in here and self._fits(node)]
        found.sort(key=lambda node: node.name)
        if tuple(found) == self.found:
            return False
        old, new = {node.name for node in self.found}, {node.name for node in found}
        self.found = tuple(found)
        for name in sorted(new - old):
            log.info("node {name} is found in the database", name=name)
        for name in sorted(old - new):
            log.info("node {name} is no longer in the database", name=name)
        self._changed(self.nodes)
        return True

    def _fits(self, node: Node) -> bool:
        wrong = self._wrong(node)
        if wrong and node.name not in self._told:
            self._told.add(node.name)
            log.warn("node {name} in the database is passed over: {reason}", name=node.name, reason=wrong)
        elif not wrong:
            self._told.discard(node.name)
        return not wrong

    def _wrong(self, node: Node) -> str:
        if node.name in self._refused:
            return "[discovery] refuse names it"
        if not node.url.startswith(("http://", "https://")):
            return "it has no url"
        try:
            for one in node.addresses:
                ip_address(one)
            if self._meshed:
                check_name(node.name)
                address(node.mesh, "mesh")
        except (ValueError, CaError, ConfigError) as error:
            return str(error)
        return ""
