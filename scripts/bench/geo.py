"""The geo index: what it costs to build, to load and to ask, beside the maxminddb reader that it stands for.

    scripts/bench/geo.py [--mmdb GeoLite2-City.mmdb] [--addresses 100000] [--rounds 7]

Builds as the daemon does, in a process of its own, for three nodes on three continents; then asks for random addresses
and for such as the database knows, by ``lookup4`` and ``lookup6`` (which DNS calls) and by the reader, by turns. Times
are CPU time, the best of the rounds: a busy machine only adds. At the end, over 20,000 addresses of each kind, the
class that the index gives is compared with the one of the reader's record; IPv6 networks longer than /64, and IPv4
addresses inside IPv6 ones, are left out: the index does not know them. Without --mmdb a database is made up.
"""

# ruff: noqa: E402

from __future__ import annotations

import sys

# This file and a neighbour bear the names of packages that are needed.
sys.path[:] = [path for path in sys.path if not path.endswith("bench")]

import argparse
import gc
import os
import random
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import maxminddb

from cackled.config import Geo, Node
from cackled.geo.build import Classifier, Job, encode_job
from cackled.geo.index import Index, load
from cackled.geo.mmdb import Database
from scripts.bench.dns import ADDRESSES, PLACES, make_mmdb

COMPARED = 20_000


def build(mmdb: str, nodes: tuple[Node, ...], output: Path) -> tuple[float, float]:
    """Make an index; CPU seconds and peak of memory in MB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "cackled.geo.build", str(output)],
        input=encode_job(Geo(files=(mmdb,)), nodes), check=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, after.ru_maxrss / 1024


def best_of(rounds: int, calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """CPU seconds of each call, the best of the rounds; the calls go by turns."""
    best: dict[str, float] = {}
    for _ in range(rounds):
        for name, call in calls.items():
            began = time.process_time()
            call()
            took = time.process_time() - began
            best[name] = min(best.get(name, took), took)
    return best


def addresses(mmdb: str, count: int) -> dict[str, list[bytes]]:
    """Packed addresses: of each family, random ones of those given out, and random ones that are in the database."""
    rng = random.Random(4)
    made = {
        "IPv4, random": [rng.getrandbits(32).to_bytes(4, "big") for _ in range(count)],
        "IPv6, random": [(0x2000 << 112 | rng.getrandbits(125)).to_bytes(16, "big") for _ in range(count)],
    }
    database = Database(mmdb)
    for name, walk, more, size in (("IPv4", database.walk4, 0, 4), ("IPv6", database.walk6, 64, 16)):
        known = [value for value, pointer in walk() if pointer is not None]
        if known:
            chosen = [rng.choice(known) << more | rng.getrandbits(more) for _ in range(count)]
            made[f"{name}, located"] = [value.to_bytes(size, "big") for value in chosen]
    database.close()
    return made


def ask_all(ask: Callable[[bytes], object], asked: Sequence[bytes]) -> Callable[[], None]:
    def run() -> None:
        for packed in asked:
            ask(packed)

    return run


def mismatches(index: Index, reader: maxminddb.Reader, classify: Classifier, asked: Sequence[bytes]) -> int:
    """Of how many addresses the index says something else than the reader."""
    wrong = 0
    for packed in asked:
        record, length = reader.get_with_prefix_len(ip_address(packed))
        if packed[:2] == b"\x20\x02" or packed[:4] == b"\x20\x01\0\0" or length > 64:
            continue
        expected = classify.classes[classify(record)]
        wrong += index.classes[index.lookup(packed)[0]] != expected
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mmdb", default="")
    parser.add_argument("--addresses", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    nodes = tuple(
        Node(name=name, addresses=ADDRESSES[name], latitude=at[0], longitude=at[1]) for name, at in PLACES.items()
    )
    with tempfile.TemporaryDirectory() as state:
        mmdb = os.path.abspath(options.mmdb) if options.mmdb else str(Path(state) / "made-up.mmdb")
        if not options.mmdb:
            make_mmdb(Path(mmdb))
        path = Path(state) / "geo.gix"
        seconds, peak = build(mmdb, nodes, path)
        index = load(path)
        assert index.header is not None
        reader = maxminddb.open_database(mmdb)
        kind = "C" if reader.__class__.__module__ == "maxminddb.extension" else "Python"
        print(f"database   {os.path.getsize(mmdb) / 1e6:.1f} MB, {reader.metadata().node_count:,} nodes")
        print(f"build      {seconds:.1f} s of CPU, {peak:.0f} MB at most")
        blocks = f"{index.header.blocks4:,} + {index.header.blocks6:,} blocks"
        print(f"file       {path.stat().st_size / 1e6:.1f} MB, {blocks}, {len(index.classes)} classes")
        took = best_of(options.rounds, {"load": lambda: load(path)})
        print(f"load       {took['load'] * 1e3:.1f} ms")
        asked = addresses(mmdb, options.addresses)
        # As in the daemon: the collector has nothing to do with it.
        gc.freeze()
        print(f"\n{'microseconds a look-up':24}{'index':>8}{f'reader ({kind})':>16}{'ratio':>8}{'mismatches':>12}")
        classify = Classifier(Job(Geo(files=(mmdb,)), nodes))
        for name, packed in asked.items():
            few = packed[: max(1, len(packed) // 10)]
            texts = [str(ip_address(one)) for one in few]
            lookup = index.lookup4 if name.startswith("IPv4") else index.lookup6
            took = best_of(options.rounds, {
                "index": ask_all(lookup, packed), "reader": ask_all(reader.get, texts),  # type: ignore[arg-type]
            })  # fmt: skip
            ours, theirs = took["index"] / len(packed) * 1e6, took["reader"] / len(few) * 1e6
            wrong = mismatches(index, reader, classify, packed[:COMPARED])
            print(f"{name:24}{ours:8.3f}{theirs:16.2f}{theirs / ours:8.1f}{wrong:12}")


if __name__ == "__main__":
    main()
