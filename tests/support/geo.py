"""MMDB files written for the tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPNetwork, IPSet

from cackled.config import Node

NODES = (
    Node(name="eu", latitude=50, longitude=8),
    Node(name="us", latitude=40, longitude=-75),
    Node(name="sg", latitude=1, longitude=103),
)
BERLIN = {"location": {"latitude": 52.5, "longitude": 13.4}, "country": {"iso_code": "DE"}}
BOSTON = {"location": {"latitude": 42.4, "longitude": -71.1}, "country": {"iso_code": "US"}}
JAPAN = {"country": {"iso_code": "JP"}, "continent": {"code": "AS"}}
SOMEWHERE_IN_ASIA = {"continent": {"code": "AS"}}
NOWHERE = {"traits": {"is_anycast": True}}

NETWORKS: Mapping[str, Any] = {
    "81.2.64.0/18": BERLIN,
    "81.2.69.160/27": BOSTON,
    "100.0.0.0/10": BOSTON,
    "110.0.0.0/15": JAPAN,
    "111.0.0.0/24": SOMEWHERE_IN_ASIA,
    "1.1.1.0/24": NOWHERE,
    "2001:db8:1::/48": BERLIN,
    "2600::/20": BOSTON,
    "2400:1234:5600::/40": JAPAN,
}


def write_mmdb(path: str, networks: Mapping[str, Any] = NETWORKS, version: int = 6, bits: int = 24) -> str:
    """An MMDB at *path*; the more specific of two networks wins."""
    writer = MMDBWriter(version, "Test", ipv4_compatible=version == 6, float_type="f64")
    for network, record in sorted(networks.items(), key=lambda item: IPNetwork(item[0]).prefixlen):
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(path)
    return path


class Tree:
    """The search tree of a 24-bit MMDB file, to be bent: see `save`."""

    def __init__(self, path: str) -> None:
        with open(path, "rb") as file:
            raw = file.read()
        at = raw.rindex(b"node_count") + len("node_count")
        count = int.from_bytes(raw[at + 1 : at + 1 + (raw[at] & 0x1F)], "big")
        if raw[at] >> 5 == 0:
            count = int.from_bytes(raw[at + 2 : at + 2 + (raw[at] & 0x1F)], "big")
        self.count = count
        cells = [int.from_bytes(raw[n : n + 3], "big") for n in range(0, count * 6, 3)]
        self.nodes = [[cells[n], cells[n + 1]] for n in range(0, count * 2, 2)]
        self._rest = raw[count * 6 :]

    def v4_root(self) -> int:
        """The node at ::/96."""
        node = 0
        for _ in range(96):
            node = self.nodes[node][0]
        return node

    def alias(self, bits: str, target: int) -> None:
        """Let the first empty branch on the way along *bits* point to *target*."""
        node = 0
        for bit in bits:
            below = self.nodes[node][int(bit)]
            if below == self.count:
                self.nodes[node][int(bit)] = target
                return
            node = below
        raise AssertionError("no empty branch there")

    def save(self, path: str, size: int = 24) -> str:
        """Write it with records of *size* bits."""
        out = bytearray()
        for left, right in self.nodes:
            if size == 28:
                out += (left & 0xFFFFFF).to_bytes(3, "big")
                out.append((left >> 24) << 4 | right >> 24)
                out += (right & 0xFFFFFF).to_bytes(3, "big")
            else:
                out += left.to_bytes(size // 8, "big") + right.to_bytes(size // 8, "big")
        key = self._rest.rindex(b"record_size") + len("record_size")
        rest = bytearray(self._rest)
        assert rest[rest.index(24, key)] == 24
        rest[rest.index(24, key)] = size
        with open(path, "wb") as file:
            file.write(out + rest)
        return path
