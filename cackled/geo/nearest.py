"""Nearest nodes: from a place on the globe to the order in which nodes are preferred.

A *location class* is one such order: groups of node names, nearest group first; the nodes of a group are equally near
and share the load by weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import acos, cos, radians, sin

from cackled.config import Node

from .countries import CONTINENTS, COUNTRIES

Order = tuple[tuple[str, ...], ...]
Vector = tuple[float, float, float]

EARTH_KM = 6371.0
# Nodes closer to each other than this count as one place: the distance makes no difference to a client.
SAME_PLACE_KM = 50.0
# The nearest so many places are ordered by distance from the client, the others by distance from the first of them. The
# others hardly ever answer, and each distinct order is a class more and splits the address space into smaller blocks.
DEPTH = 3


def vector(latitude: float, longitude: float) -> Vector:
    """The unit vector of a place given in degrees."""
    lat, lon = radians(latitude), radians(longitude)
    return cos(lat) * cos(lon), cos(lat) * sin(lon), sin(lat)


def distance_km(one: Vector, other: Vector) -> float:
    """The great-circle distance between two places."""
    dot = one[0] * other[0] + one[1] * other[1] + one[2] * other[2]
    return EARTH_KM * acos(max(-1.0, min(1.0, dot)))


class Places:
    """The nodes, grouped by where they stand.

    Nodes without coordinates are last choice for every client whose place is known. When no node has any, or there
    is one place only, there is a single class.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._all: tuple[str, ...] = tuple(node.name for node in nodes)
        groups: list[tuple[Vector, list[str]]] = []
        lost: list[str] = []
        for node in nodes:
            if node.latitude is None or node.longitude is None:
                lost.append(node.name)
                continue
            at = vector(node.latitude, node.longitude)
            for centre, names in groups:
                if distance_km(centre, at) <= SAME_PLACE_KM:
                    names.append(node.name)
                    break
            else:
                groups.append((at, [node.name]))
        self._vectors = [centre for centre, _ in groups]
        self._names = [tuple(names) for _, names in groups]
        self._lost = tuple(lost)

    @property
    def single(self) -> bool:
        """Whether every client gets the same nodes, wherever it is."""
        return not self._names or (len(self._names) == 1 and not self._lost)

    @property
    def unknown(self) -> Order:
        """The class of clients whose place is not known: all nodes alike."""
        return (self._all,)

    def ranking(self, at: Vector) -> tuple[int, ...]:
        """Numbers of the places, nearest first (the first `DEPTH` of them)."""
        x, y, z = at
        dots = sorted((-(x * a + y * b + z * c), number) for number, (a, b, c) in enumerate(self._vectors))
        return tuple(number for _, number in dots[:DEPTH])

    def order(self, ranking: Sequence[int]) -> Order:
        """The location class of a ranking."""
        rest = [number for number in range(len(self._names)) if number not in ranking]
        if ranking:
            nearest = self._vectors[ranking[0]]
            rest.sort(key=lambda number: distance_km(nearest, self._vectors[number]))
        groups = [self._names[number] for number in (*ranking, *rest)]
        return (*groups, self._lost) if self._lost else tuple(groups)


def locate(
    latitude: object, longitude: object, country: object = None, continent: object = None
) -> Vector | None:
    """A place from what a record tells: coordinates, else the country's middle, else the continent's, else None."""
    if isinstance(latitude, int | float) and isinstance(longitude, int | float):
        lat, lon = float(latitude), float(longitude)
        # 0/0 is how several databases write "not known"; nobody lives there.
        if -90 <= lat <= 90 and -180 <= lon <= 180 and (lat or lon):
            return vector(lat, lon)
    if isinstance(country, str) and country.upper() in COUNTRIES:
        return vector(*COUNTRIES[country.upper()])
    if isinstance(continent, str) and continent.upper() in CONTINENTS:
        return vector(*CONTINENTS[continent.upper()])
    return None
