"""Other DNS servers for the benchmark: configuration files, and the command that runs each in the foreground.

Imported by dns.py beside it. All serve one name, ``www.geo.test``, with two addresses of each type, chosen by place;
gdnsd by coordinates, as we do, PowerDNS and Knot by continent, which is less work. One UDP thread each. A peer that is
not installed is left out: Debian's packages are gdnsd, pdns-server with pdns-backend-geoip, and knot with
knot-module-geoip.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

Start = Callable[[int], list[str]]
HOST = "127.0.0.1"
CONTINENTS = {"EU": "eu", "AF": "eu", "NA": "us", "SA": "us", "AS": "sg", "OC": "sg", "AN": "sg"}


def installed(mmdb: str, state: str, places: Mapping[str, tuple[float, float]],
              addresses: Mapping[str, tuple[str, str]]) -> dict[str, Start]:  # fmt: skip
    """The peers of this machine: name -> the command for a port."""
    names = list(places)
    # Two addresses in each answer, as ours have: of the place and of the one before it.
    pairs = {
        name: [addresses[name], addresses[names[number - 1]]] for number, name in enumerate(names)
    }
    found: dict[str, Start] = {}
    known = (("gdnsd", "gdnsd", _gdnsd), ("PowerDNS", "pdns_server", _powerdns), ("Knot", "knotd", _knot))
    for name, program, make in known:
        path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
        if path is not None:
            found[name] = _starter(make, path, mmdb, Path(state) / program, places, pairs)
    return found


def _starter(make: Callable[..., list[str]], path: str, mmdb: str, folder: Path, *more: object) -> Start:
    def start(port: int) -> list[str]:
        folder.mkdir(exist_ok=True)
        return make(path, mmdb, folder, port, *more)

    return start


def _gdnsd(path: str, mmdb: str, folder: Path, port: int, places: Mapping[str, tuple[float, float]],
           pairs: Mapping[str, list[tuple[str, str]]]) -> list[str]:  # fmt: skip
    for part in ("zones", "geoip", "run", "state"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    coordinates = " ".join(f"{name} => [{at[0]}, {at[1]}]," for name, at in places.items())
    targets = " ".join(
        f"{name} => {{ addrs_v4 => [{', '.join(four for four, _ in pair)}], "
        f"addrs_v6 => [{', '.join(six for _, six in pair)}] }},"
        for name, pair in pairs.items()
    )
    (folder / "config").write_text(f"""
options => {{
  listen => [{HOST}:{port}], run_dir => {folder}/run, state_dir => {folder}/state, udp_threads => 1, tcp_threads => 1
}}
plugins => {{ geoip => {{
  maps => {{ m => {{
    geoip2_db => {mmdb}, datacenters => [{', '.join(places)}], auto_dc_coords => {{ {coordinates} }}
  }} }}
  resources => {{ www => {{ map => m, service_types => up, dcmap => {{ {targets} }} }} }}
}} }}
""")
    (folder / "zones" / "geo.test").write_text(
        "@ 3600 SOA ns1 hostmaster 1 7200 1800 86400 60\n@ 3600 NS ns1\nns1 3600 A 192.0.2.53\nwww 30 DYNA geoip!www\n"
    )
    return [path, "-c", str(folder), "start"]


ZONE_HEAD = "$ORIGIN geo.test.\n@ 3600 SOA ns1 hostmaster 1 7200 1800 86400 60\n@ 3600 NS ns1\nns1 3600 A 192.0.2.53\n"
POWERDNS_ZONE_HEAD = """domains:
- domain: geo.test
  ttl: 30
  records:
    geo.test:
      - soa: ns1.geo.test hostmaster.geo.test 1 7200 1800 86400 60
      - ns: ns1.geo.test
    ns1.geo.test:
      - a: 192.0.2.53
"""


def powerdns_settings(mmdb: str, folder: Path, port: int) -> str:
    """PowerDNS with its geoip backend, one UDP thread."""
    return f"""launch=geoip
local-address={HOST}
local-port={port}
socket-dir={folder}
geoip-zones-file={folder}/zone.yaml
geoip-database-files=mmdb:{mmdb}
receiver-threads=1
distributor-threads=1
daemon=no
guardian=no
disable-syslog=yes
zone-cache-refresh-interval=0
"""


def knot_settings(folder: Path, port: int, server: str, modules: str, zone: str) -> str:
    """Knot with one UDP thread; more lines for the section of the server, for modules, and for the zone."""
    return f"""server:
    rundir: {folder}
    listen: {HOST}@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
{server}database:
    storage: {folder}
log:
  - target: stderr
    any: warning
{modules}zone:
  - domain: geo.test
    storage: {folder}
    file: geo.test.zone
{zone}"""


def _powerdns(path: str, mmdb: str, folder: Path, port: int, places: Mapping[str, tuple[float, float]],
              pairs: Mapping[str, list[tuple[str, str]]]) -> list[str]:  # fmt: skip
    def records(name: str) -> str:
        lines = [f"      - a: {four}\n      - aaaa: {six}\n" for four, six in pairs[name]]
        return "".join(sorted("".join(lines).splitlines(keepends=True)))

    own = {code.lower(): place for code, place in CONTINENTS.items()}
    owners = "".join(f"    {code}.svc.geo.test:\n{records(place)}" for code, place in own.items())
    (folder / "zone.yaml").write_text(f"""{POWERDNS_ZONE_HEAD}    unknown.svc.geo.test:
{records(next(iter(pairs)))}{owners}  services:
    www.geo.test: '%cn.svc.geo.test'
""")
    (folder / "pdns.conf").write_text(powerdns_settings(mmdb, folder, port) + "edns-subnet-processing=yes\n")
    return [path, f"--config-dir={folder}"]


def _knot(path: str, mmdb: str, folder: Path, port: int, places: Mapping[str, tuple[float, float]],
          pairs: Mapping[str, list[tuple[str, str]]]) -> list[str]:  # fmt: skip
    lines = ["www.geo.test:"]
    for code, place in CONTINENTS.items():
        lines.append(f'  - geo: "{code}"')
        lines.append(f"    A: [ {', '.join(four for four, _ in pairs[place])} ]")
        lines.append(f"    AAAA: [ {', '.join(six for _, six in pairs[place])} ]")
    (folder / "geo.conf").write_text("\n".join(lines) + "\n")
    first = next(iter(pairs.values()))
    static = "".join(f"www 30 A {four}\nwww 30 AAAA {six}\n" for four, six in first)
    (folder / "geo.test.zone").write_text(ZONE_HEAD + static)
    modules = f"""mod-geoip:
  - id: g
    config-file: {folder}/geo.conf
    ttl: 30
    mode: geodb
    geodb-file: {mmdb}
    geodb-key: continent/code
"""
    (folder / "knot.conf").write_text(
        knot_settings(folder, port, "    edns-client-subnet: on\n", modules, "    module: mod-geoip/g\n")
    )
    return [path, "-c", f"{folder}/knot.conf"]
