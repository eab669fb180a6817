"""Builds a geo index from MMDB files: ``python -m cackled.geo.build OUTPUT < job.json``.

It is a program of its own, so that its seconds of computing don't block the reactor. The job is what `encode_job`
makes. It prints nothing but, on failure, one line to standard error; then the output is left as it was.
"""

from __future__ import annotations

import os
import sys
from array import array
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from random import Random

import msgspec
from msgspec import Struct

from cackled.config import Geo, Node

from .index import Blocks, Header, Source, load, write
from .mmdb import V6_BITS, BrokenDatabase, Database, Leaf, text4, text6
from .nearest import Order, Places, locate

FORMAT = 1
CANARIES = 64
MAX_CLASSES = 65_535


class BuildError(Exception):
    """No index can be made from the files; the message is one line."""


class Job(Struct, frozen=True):
    """What to build from."""

    geo: Geo
    nodes: tuple[Node, ...]

    @property
    def settings(self) -> str:
        """A digest of everything but the files that the index depends on."""
        relevant = (
            FORMAT,
            self.geo,
            # 50 and 50.0 are the same place, but JSON writes them differently.
            [(node.name, *map(_plain, (node.latitude, node.longitude))) for node in self.nodes],
        )
        return sha256(msgspec.json.encode(relevant)).hexdigest()


def _plain(degrees: float | None) -> float | None:
    return None if degrees is None else float(degrees)


def encode_job(geo: Geo, nodes: Sequence[Node]) -> bytes:
    """The standard input of the builder."""
    return msgspec.json.encode(Job(geo, tuple(nodes)))


def stamp(paths: Iterable[str]) -> tuple[Source, ...]:
    """The files as they are now, without reading them.

    Raises:
        OSError: one is not there.
    """
    out = []
    for path in paths:
        status = os.stat(path)
        out.append(Source(path, status.st_size, status.st_mtime_ns))
    return tuple(out)


class Classifier:
    """Record -> number of its location class; 0 is "place not known"."""

    def __init__(self, job: Job) -> None:
        self._places = Places(job.nodes)
        geo = job.geo
        self._paths = [path.split("/") for path in (geo.latitude, geo.longitude, geo.country, geo.continent)]
        self._by_place: dict[tuple[object, ...], int] = {}
        self._by_ranking: dict[tuple[int, ...], int] = {}
        self.classes: list[Order] = [self._places.unknown]
        self.located = 0
        self.example: object = None

    def __call__(self, record: object) -> int:
        """The class of *record*.

        Raises:
            BuildError: there are too many classes.
        """
        if record is None:
            return 0
        if self.example is None:
            self.example = record
        place = tuple(_field(record, path) for path in self._paths)
        number = self._by_place.get(place)
        if number is None:
            number = self._by_place[place] = self._classify(place)
        return number

    def _classify(self, place: tuple[object, ...]) -> int:
        at = locate(_number(place[0]), _number(place[1]), place[2], place[3])
        if at is None:
            return 0
        self.located += 1
        ranking = self._places.ranking(at)
        number = self._by_ranking.get(ranking)
        if number is None:
            number = self._by_ranking[ranking] = len(self.classes)
            if number > MAX_CLASSES:
                raise BuildError("too many different orders of nodes")
            self.classes.append(self._places.order(ranking))
        return number


def _field(record: object, path: Sequence[str]) -> object:
    for step in path:
        if isinstance(record, dict):
            record = record.get(step)
        elif isinstance(record, list) and step.isdecimal() and int(step) < len(record):
            record = record[int(step)]
        else:
            return None
    return record if isinstance(record, str | int | float) else None


def _number(value: object) -> object:
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return value


def build(job: Job, output: Path) -> Header:
    """Make the index file *output* and read it back.

    Raises:
        BuildError: the files are missing, broken or empty, or no field is where [geo] says.
        DamagedIndex: what was written does not give what the databases gave.
    """
    try:
        sources = tuple(
            msgspec.structs.replace(source, sha256=_digest(source.path)) for source in stamp(job.geo.files)
        )
    except OSError as error:
        raise BuildError(f"{error.filename}: {error.strerror}") from None
    classify = Classifier(job)
    databases: list[Database] = []
    try:
        for path in job.geo.files:
            databases.append(Database(path))
        four, owner4 = _family(databases, Database.walk4, text4, classify)
        six, owner6 = _family(databases, Database.walk6, text6, classify)
        if not classify.located:
            seen = f"; a record looks like {str(classify.example)[:200]}" if classify.example else ""
            raise BuildError(f"{', '.join(job.geo.files)}: no place in any record, check [geo] field paths{seen}")
        canaries = [*_canaries(owner4, 32, text4, classify), *_canaries(owner6, V6_BITS, text6, classify)]
    except BrokenDatabase as error:
        raise BuildError(str(error)) from None
    finally:
        for database in databases:
            database.close()
    pairs: dict[tuple[int, int], int] = {}
    blocks4, blocks6 = cut(four, 32, "I", pairs), cut(six, V6_BITS, "Q", pairs)
    header = Header(
        settings=job.settings,
        sources=sources,
        classes=tuple(classify.classes),
        pairs=tuple(pairs),
        blocks4=len(blocks4.starts),
        blocks6=len(blocks6.starts),
        records=classify.located,
        canaries=tuple(canaries),
    )
    candidate = output.with_name(output.name + ".candidate")
    try:
        write(candidate, header, (blocks4, blocks6))
        load(candidate, thorough=True)
        candidate.replace(output)
    finally:
        candidate.unlink(missing_ok=True)
    return header


def _digest(path: str) -> str:
    digest = sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _family(
    databases: Sequence[Database],
    walk: Callable[[Database], Iterable[Leaf]],
    text: Callable[[int], str],
    classify: Classifier,
) -> tuple[list[tuple[int, int]], Database | None]:
    """The merged ranges (first value, class) of one address family, from the first database that has some."""
    for database in databases:
        known: dict[int | None, int] = {None: 0}
        ranges: list[tuple[int, int]] = []
        last = -1
        for value, pointer in walk(database):
            number = known.get(pointer)
            if number is None:
                number = known[pointer] = classify(database.record(text(value)))
            if number != last:
                ranges.append((value, number))
                last = number
        if len(known) > 1:
            return ranges, database
    return [(0, 0)], None


def cut(ranges: Sequence[tuple[int, int]], bits: int, code: str, pairs: dict[tuple[int, int], int]) -> Blocks:
    """Cut merged ranges into the fewest aligned blocks; new (class, prefix length) are numbered in *pairs*."""
    starts, numbers = array(code), array("I")
    ends = [start for start, _ in ranges[1:]]
    ends.append(1 << bits)
    for (start, number), end in zip(ranges, ends, strict=True):
        at = start
        while at < end:
            size = (end - at).bit_length() - 1
            if at:
                size = min(size, (at & -at).bit_length() - 1)
            starts.append(at)
            numbers.append(pairs.setdefault((number, bits - size), len(pairs)))
            at += 1 << size
    return Blocks(starts, numbers, Blocks.tops_of(starts, bits))


def _canaries(
    database: Database | None, bits: int, text: Callable[[int], str], classify: Classifier
) -> list[tuple[str, int]]:
    """Addresses with the class of the record that the reader, not our walk, finds for them."""
    if database is None:
        return []
    random = Random(bits)
    out = []
    for _ in range(CANARIES):
        # From the range where IPv6 addresses are assigned; otherwise nearly all would be in no network.
        value = random.getrandbits(bits) if bits == 32 else 0x2000 << 48 | random.getrandbits(61)
        if bits == 32 or value >> 48 not in (0x2001, 0x2002):
            address = text(value)
            out.append((address, classify(database.record(address))))
    return out


def main() -> int:
    """Build as standard input says, into the file that the first argument names."""
    os.nice(10)
    try:
        job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
        build(job, Path(sys.argv[1]))
    except Exception as error:
        sys.stderr.write(f"{error if isinstance(error, BuildError) else repr(error)}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
