"""Signed answers for the benchmark of DNS: queries, and peers that sign as they are asked, or ahead.

Imported by dns.py beside it (``--signed``). The zone is `www.geo.test` with two addresses of each type, the same for
everybody; a key of P-256, or Ed25519. Of names that don't exist Knot with onlinesign tells by one NSEC, as we do; Knot
with a zone that is signed ahead by two, kept; PowerDNS by three NSEC3, signed when asked.
"""

from __future__ import annotations

import random
import shutil
import string
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from scripts.bench.dns_peers import POWERDNS_ZONE_HEAD, ZONE_HEAD, Start, knot_settings, powerdns_settings

# OPT with DO and 1,232 bytes.
_OPT = b"\0\0\x29\x04\xd0\0\0\x80\0\0\0"


def make_queries(path: Path, count: int, seed: int) -> dict[str, Path]:
    """Two files as dnsperf -B reads them: of names that are there, A and AAAA by turns, and of names that are not, none
    twice.
    """
    rng = random.Random(seed)
    made = {"hot": path / f"hot{seed}", "missing": path / f"missing{seed}"}
    for label, where in made.items():
        with where.open("wb") as out:
            for number in range(count):
                first = b"\3www"
                if label == "missing":
                    first = b"\x0c" + "".join(rng.choices(string.ascii_lowercase, k=12)).encode()
                packet = bytes((0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1)) + first + b"\3geo\4test\0"
                packet += bytes((0, (1, 28)[number % 2], 0, 1)) + _OPT
                out.write(len(packet).to_bytes(2, "big") + packet)
    return made


def installed(mmdb: str, state: str, pair: list[tuple[str, str]]) -> dict[str, Start]:
    """The peers of this machine: name -> the command for a port. *pair* are the addresses of `www`."""
    found: dict[str, Start] = {}

    def add(name: str, program: str, make: Callable[..., list[str]], *more: str) -> None:
        path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
        if path is not None:
            folder = Path(state) / name.replace(" ", "-")
            found[name] = lambda port: make(path, mmdb, folder, port, pair, *more)

    add("PowerDNS P-256", "pdns_server", _powerdns, "ecdsa256")
    add("PowerDNS Ed25519", "pdns_server", _powerdns, "ed25519")
    add("Knot onlinesign P-256", "knotd", _knot, "ecdsap256sha256", "module: mod-onlinesign/o")
    add("Knot onlinesign Ed25519", "knotd", _knot, "ed25519", "module: mod-onlinesign/o")
    add("Knot signed ahead P-256", "knotd", _knot, "ecdsap256sha256", "dnssec-signing: on\n    dnssec-policy: p")
    return found


def _powerdns(
    path: str, mmdb: str, folder: Path, port: int, pair: list[tuple[str, str]], algorithm: str
) -> list[str]:
    (folder / "keys").mkdir(parents=True)
    records = "".join(f"      - a: {four}\n" for four, _ in pair) + "".join(f"      - aaaa: {six}\n" for _, six in pair)
    (folder / "zone.yaml").write_text(f"{POWERDNS_ZONE_HEAD}    www.geo.test:\n{records}")
    (folder / "pdns.conf").write_text(
        powerdns_settings(mmdb, folder, port) + f"geoip-dnssec-keydir={folder}/keys\n"
    )
    subprocess.run(
        ["pdnsutil", f"--config-dir={folder}", "add-zone-key", "geo.test", "ksk", "active", algorithm],
        check=True, capture_output=True,
    )  # fmt: skip
    return [path, f"--config-dir={folder}"]


def _knot(
    path: str, mmdb: str, folder: Path, port: int, pair: list[tuple[str, str]], algorithm: str, signing: str
) -> list[str]:
    folder.mkdir()
    addresses = "".join(f"www 30 A {four}\nwww 30 AAAA {six}\n" for four, six in pair)
    (folder / "geo.test.zone").write_text(ZONE_HEAD + addresses)
    modules = f"""policy:
  - id: p
    algorithm: {algorithm}
    single-type-signing: on
mod-onlinesign:
  - id: o
    policy: p
"""
    (folder / "knot.conf").write_text(knot_settings(folder, port, "", modules, f"    {signing}\n"))
    return [path, "-c", f"{folder}/knot.conf"]


def show(table: Mapping[str, Mapping[str, tuple[float, float, float]]]) -> None:
    """The table, with ratios to peers whose keys are of the same kind."""
    print(f"{'us CPU a query':28}{'hot':>8}{'qps':>9}{'missing':>10}{'qps':>9}{'lost %':>8}")
    for name, rows in table.items():
        hot, missing = rows["hot"], rows["missing"]
        print(f"{name:28}{hot[0]:8.2f}{hot[1]:9.0f}{missing[0]:10.2f}{missing[1]:9.0f}{missing[2]:8.2f}")
    for name in (name for name in table if name.startswith("cackled")):
        kind = name.rpartition(" ")[2]
        for peer in (peer for peer in table if peer.endswith(kind) and peer != name):
            ratios = [table[name][label][0] / table[peer][label][0] for label in ("hot", "missing")]
            print(f"{name} / {peer}: hot {ratios[0]:.2f}, missing {ratios[1]:.2f}")
