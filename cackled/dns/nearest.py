"""Which addresses a geo name answers with: nearest live nodes first, equals by weight.

Nothing is encoded here: answer.py writes a choice down once for each name that uses it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from random import Random

from cackled.config import Node
from cackled.geo.nearest import Order

from .wire import AAAA, A
from .zone import addresses_by_node

# One choice has this many variants where weights are to be told apart: a share is right to 1/32.
VARIANTS = 32

Addresses = tuple[bytes, ...]
# The variants a class rotates through; the empty tuple of addresses stands for "none of this type".
Choice = tuple[Addresses, ...]


class NearestAnswers:
    """Turns location classes and the set of live nodes into choices of addresses.

    A choice changes with liveness and with the classes only; equal choices are the same object.

    Args:
        nodes: all nodes, in the order of configuration.
        count: how many addresses an answer has at most.

    Raises:
        ZoneError: a node has a wrong address.
    """

    def __init__(self, nodes: Sequence[Node], count: int, random: Random) -> None:
        self._nodes = {node.name: node for node in nodes}
        self._addresses = addresses_by_node(nodes)
        self.count = self._count = count
        self._random = random
        # How likely a node is, against others of its group.
        self._weights = {node.name: node.weight for node in nodes}
        self._live: frozenset[str] = frozenset()
        self._usable: frozenset[str] = frozenset(self._nodes)
        self._classes: tuple[Order, ...] = ((tuple(self._nodes),),)
        # Type -> number of class -> choice.
        self.choices: dict[int, _Choices] = {}
        self._build()

    @property
    def usable(self) -> frozenset[str]:
        """The nodes that answers are made of now."""
        return self._usable

    def has(self, rtype: int) -> bool:
        """Whether any node, live or not, has an address of this type."""
        return any(addresses[rtype] for addresses in self._addresses.values())

    def set_classes(self, classes: Sequence[Order]) -> None:
        """Take the location classes of a new index; class 0 is "place not known"."""
        self._classes = tuple(classes)
        self._build()

    def set_nodes(self, nodes: Sequence[Node]) -> None:
        """These are all nodes from now on.

        Raises:
            ZoneError: a node has a wrong address; nothing has changed then.
        """
        self._addresses = addresses_by_node(nodes)
        self._nodes = {node.name: node for node in nodes}
        self._weights = {node.name: node.weight for node in nodes}
        self._usable = self._usable.intersection(self._nodes) or frozenset(self._nodes)
        self._build()

    def set_live(
        self, names: Collection[str], drained: Collection[str] = (), weights: Mapping[str, int] | None = None
    ) -> bool:
        """Answer with the nodes *names* except *drained*, by *weights* (as before without); unknown names are ignored.

        If no other node is live, live drained nodes are used. If no node is live at all, all nodes are given: our view
        may be wrong. Returns whether anything changed.
        """
        live = frozenset(self._nodes).intersection(names)
        usable = live.difference(drained) or live or frozenset(self._nodes)
        weighed = {name: max(1, (weights or {}).get(name, old)) for name, old in self._weights.items()}
        if usable == self._usable and weighed == self._weights:
            return False
        self._usable = usable
        self._weights = weighed
        self._build()
        return True

    def _build(self) -> None:
        """Forget all choices: each is made when it is first asked for, so that a change costs nothing by itself."""
        self._made: dict[tuple[int, tuple[tuple[str, ...], ...]], Choice] = {}
        self.choices = {rtype: _Choices(self, rtype) for rtype in (A, AAAA)}

    def choose(self, number: int, rtype: int) -> Choice:
        """The choice of a class, made now; equal ones are the same object."""
        groups = self._candidates(self._classes[number], rtype)
        choice = self._made.get((rtype, groups))
        if choice is None:
            choice = self._made[rtype, groups] = self._choose(groups, rtype)
        return choice

    def _candidates(self, order: Order, rtype: int) -> tuple[tuple[str, ...], ...]:
        """The usable nodes with an address of the type, by groups; no more groups than can matter."""
        groups = []
        nodes = 0
        # Nodes that came after the index was made are last choice, until there is one that knows them.
        listed = {name for group in order for name in group}
        for group in (*order, tuple(name for name in self._nodes if name not in listed)):
            usable = tuple(
                name for name in group if name in self._usable and self._addresses[name][rtype]
            )
            if usable:
                groups.append(usable)
                nodes += len(usable)
                if nodes >= self._count:
                    break
        return tuple(groups)

    def _choose(self, groups: tuple[tuple[str, ...], ...], rtype: int) -> Choice:
        if not groups:
            return ((),)
        if all(len(group) == 1 and len(self._addresses[group[0]][rtype]) == 1 for group in groups):
            return (self._variant(tuple(group[0] for group in groups), rtype, 0),)
        variants = []
        for number, first in enumerate(self._first_picks(groups[0])):
            rest = [name for name in groups[0] if name != first]
            names = [first]
            while rest and len(names) < self._count:
                pick = self._random.choices(rest, [self._weights[name] for name in rest])[0]
                rest.remove(pick)
                names.append(pick)
            for group in groups[1:]:
                later = sorted(group, key=lambda name: -(self._random.random() ** (1 / self._weights[name])))
                names += later
            variants.append(self._variant(tuple(names), rtype, number))
        self._random.shuffle(variants)
        return tuple(variants)

    def _first_picks(self, group: tuple[str, ...]) -> list[str]:
        """`VARIANTS` names, each as often as its weight asks; every one at least once."""
        total = sum(self._weights[name] for name in group)
        exact = {name: self._weights[name] * max(VARIANTS, len(group)) / total for name in group}
        counts = {name: max(1, int(share)) for name, share in exact.items()}
        for name in sorted(group, key=lambda name: counts[name] - exact[name]):
            if sum(counts.values()) >= VARIANTS:
                break
            counts[name] += 1
        return [name for name, count in counts.items() for _ in range(count)]

    def _variant(self, names: Sequence[str], rtype: int, turn: int) -> Addresses:
        """The addresses of one answer: one of each node in turn, and more of the first where nodes are few."""
        out: list[bytes] = []
        more: list[bytes] = []
        for name in names[: self._count]:
            own = self._addresses[name][rtype]
            start = turn % len(own)
            out.append(own[start])
            more += own[start + 1 :] + own[:start]
        return tuple(dict.fromkeys([*out, *more]))[: self._count]


class _Choices(dict[int, Choice]):
    """Class -> choice, made as needed."""

    __slots__ = ("_nearest", "_rtype")

    def __init__(self, nearest: NearestAnswers, rtype: int) -> None:
        super().__init__()
        self._nearest = nearest
        self._rtype = rtype

    def __missing__(self, number: int) -> Choice:
        choice = self[number] = self._nearest.choose(number, self._rtype)
        return choice
