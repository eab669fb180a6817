"""DNS: CPU time per query of cackled and of its peers, under dnsperf.

    scripts/bench/dns.py [--mmdb GeoLite2-City.mmdb] [--queries 50000] [--rounds 3] [--only cackled,gdnsd]
    scripts/bench/dns.py --changes [--mmdb ..]: 20,000 queries a second while nodes flap and the index is replaced;
        what is lost, and who lost it: the kernel before us, we, or the kernel before the client
    scripts/bench/dns.py --signed: answers with DNSSEC, of names that are there and of random ones that are not
    scripts/bench/dns.py --flood: response times of HTTP from the same process, without and under a flood of queries

Each query carries a random /24 client subnet, A and AAAA by turns; the same again without EDNS. Every server has one
UDP thread and is held on the first CPU, dnsperf on the last. CPU time is of all threads of the server, from
/proc/PID/task/*/schedstat; the best of the rounds counts, as a busy machine only adds. Queries per second are limited
by dnsperf above some 150,000. The last columns are the CPU time divided by that of a peer in the same run. Without
--mmdb a database is made up. Peers that are not installed are left out (dns_peers.py).
"""

# ruff: noqa: E402

from __future__ import annotations

import sys

# This file and a neighbour bear the names of packages that are needed.
sys.path[:] = [path for path in sys.path if not path.endswith("bench")]

import argparse
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts.bench import dns_peers, dns_signed
from scripts.bench.harness import Daemon

HOST = dns_peers.HOST
Servers = dict[str, dns_peers.Start]
PLACES = {"eu": (50.0, 8.0), "us": (40.0, -75.0), "sg": (1.3, 103.8)}
ADDRESSES = {
    name: (f"192.0.2.{number}", f"2001:db8::{number}") for number, name in enumerate(PLACES, 1)
}
QUESTION = b"\3www\3geo\4test\0"


def make_mmdb(path: Path) -> None:
    """A database of made-up places, 6,000 networks of IPv4 and 2,000 of IPv6."""
    from mmdb_writer import MMDBWriter
    from netaddr import IPSet

    rng = random.Random(1)
    writer = MMDBWriter(6, "GeoLite2-City", ipv4_compatible=True, float_type="f64")
    networks = []
    for number in range(8000):
        bits = rng.randrange(10, 25) if number < 6000 else rng.randrange(24, 49)
        if number < 6000:
            start = socket.inet_ntoa((rng.getrandbits(bits) << (32 - bits)).to_bytes(4, "big"))
        else:
            prefix = 0x2400 << (bits - 16) | rng.getrandbits(bits - 6)
            start = socket.inet_ntop(socket.AF_INET6, (prefix << (128 - bits)).to_bytes(16, "big"))
        networks.append(f"{start}/{bits}")
    for network in networks:
        place = {"latitude": rng.uniform(-50, 65), "longitude": rng.uniform(-180, 180)}
        try:
            writer.insert_network(IPSet([network]), {
                "location": place, "country": {"iso_code": "DE"}, "continent": {"code": "EU"},
            })
        except ValueError:
            continue
    writer.to_db_file(str(path))


def make_queries(path: Path, count: int, ecs: bool) -> None:
    """*count* queries as dnsperf -B reads them."""
    rng = random.Random(2)
    with path.open("wb") as out:
        for number in range(count):
            rtype = (1, 28)[number % 2]
            packet = bytes((0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, int(ecs))) + QUESTION + bytes((0, rtype, 0, 1))
            if ecs:
                subnet = bytes((rng.randrange(1, 224), rng.randrange(256), rng.randrange(256)))
                packet += b"\0\0\x29\x10\0\0\0\0\0\0\x0b\0\x08\0\x07\0\x01\x18\0" + subnet
            out.write(len(packet).to_bytes(2, "big") + packet)


def serve(
    port: int, mmdb: str, state: str, rate: int, changes: bool = False, batch: bool = True, key: str = ""
) -> None:
    """Our server by itself, until it is killed. *key*: the kind it signs with."""
    from cackled.clock import install_monotonic_reactor

    install_monotonic_reactor()
    import gc
    from random import Random

    from twisted.internet import reactor

    from cackled.config import Dns, Geo, Node
    from cackled.dns.keys import NAMES, make
    from cackled.dns.server import DnsServer
    from cackled.geo.build import Job, build
    from cackled.geo.service import GeoService
    from cackled.metrics import Metrics

    nodes = tuple(
        Node(name=name, addresses=ADDRESSES[name], latitude=at[0], longitude=at[1]) for name, at in PLACES.items()
    )
    settings = Geo(files=(mmdb,))
    output = Path(state) / "geo.gix"
    if not output.exists():
        build(Job(settings, nodes), output)
    metrics = Metrics()
    geo = GeoService(reactor, settings, nodes, state, reactor, metrics)
    geo.start()
    exempt = () if rate else ("127.0.0.0/8",)
    keys = (str(Path(state) / f"{key}.pem"),) if key else ()
    for path in keys:
        make(path, NAMES[key])
    server = DnsServer(
        reactor, None, geo, nodes,
        Dns(listen=(f"{HOST}:{port}",), origin="geo.test.", geo_names=("www",), rate=rate or 200,
            rate_exempt=exempt, batch=batch, keys=keys, signatures=10_000_000),
        reactor, Random(), metrics,
    )
    server.start()
    gc.freeze()
    if changes:
        make_changes(reactor, server, geo, Path(state) / "lag")
    reactor.run()


def make_changes(reactor: Any, server: Any, geo: Any, report: Path) -> None:
    """For 6 s nothing changes; then nodes come and go 20 times a second, and the index is read anew every other second.

    The reactor's lag is noted for both, and what a change and a swap take by themselves.
    """
    from twisted.internet.task import LoopingCall
    from twisted.internet.threads import deferToThread

    sets = [{"eu", "us", "sg"}, {"us", "sg"}, {"eu", "sg"}, set()]
    lags: dict[str, list[float]] = {"lag, nothing changes": []}
    took: dict[str, list[float]] = {"a change of liveness": [], "an index swap": []}
    last = time.monotonic()

    def tick() -> None:
        nonlocal last
        now = time.monotonic()
        list(lags.values())[-1].append(now - last - 0.001)
        last = now
        reactor.callLater(0.001, tick)

    def timed(what: str, do: Callable[..., None], *arguments: Any) -> None:
        start = time.perf_counter()
        do(*arguments)
        took[what].append(time.perf_counter() - start)

    def flip() -> None:
        timed("a change of liveness", server.set_live, sets[len(took["a change of liveness"]) % len(sets)])

    def begin() -> None:
        lags["lag, all changes"] = []
        LoopingCall(flip).start(0.05)
        LoopingCall(
            lambda: deferToThread(geo._read).addCallback(lambda index: timed("an index swap", geo._take, index))
        ).start(2)

    def write() -> None:
        readers = server._readers
        lines = [
            f"server: {sum(reader.queries for reader in readers)} received, "
            f"{sum(reader.replies for reader in readers)} answered, {sum(reader.unsent for reader in readers)} unsent, "
            f"{server.responder.failures} failures; dropped by the kernel before it: "
            f"{sum(reader.kernel_drops() for reader in readers)}"
        ]
        for name, values in (*lags.items(), *took.items()):
            found = sorted(values) or [0.0]
            quantiles = (("p50", len(found) // 2), ("p99", len(found) * 99 // 100), ("max", -1))
            told = "  ".join(f"{label} {found[at] * 1e3:.2f}" for label, at in quantiles)
            lines.append(f"{name}, ms: {told}  ({len(values)} times)")
        report.write_text("\n".join(lines))

    reactor.callLater(7.5, begin)
    reactor.callLater(1, lags["lag, nothing changes"].clear)
    reactor.callLater(0.001, tick)
    reactor.addSystemEventTrigger("before", "shutdown", write)


def serve_names(port: int) -> None:
    """twisted.names with a static zone: it knows neither EDNS nor places."""
    from twisted.internet import reactor
    from twisted.names import authority, dns, server

    class Zone(authority.FileAuthority):
        def __init__(self) -> None:
            super().__init__("")

        def loadFile(self, filename: str) -> None:
            first, second = list(ADDRESSES.values())[:2]
            self.soa: Any = (b"geo.test", dns.Record_SOA(b"ns1.geo.test", b"h.geo.test", 1, 1, 1, 1, 60))
            self.records: Any = {
                b"geo.test": [self.soa[1], dns.Record_NS(b"ns1.geo.test")],
                b"www.geo.test": [
                    dns.Record_A(first[0], 30), dns.Record_A(second[0], 30),
                    dns.Record_AAAA(first[1], 30), dns.Record_AAAA(second[1], 30),
                ],
            }

    factory = server.DNSServerFactory(authorities=[Zone()])
    reactor.listenUDP(port, dns.DNSDatagramProtocol(factory), interface=HOST)  # type: ignore[attr-defined]
    reactor.run()


def cpu_seconds(pid: int) -> float:
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def free_port() -> int:
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, socket.socket() as other:
            sock.bind((HOST, 0))
            port = int(sock.getsockname()[1])
            try:
                other.bind((HOST, port))
            except OSError:
                continue
            return port


def wait_ready(port: int, log: Path, seconds: float = 60) -> None:
    packet = b"\0\1\0\0\0\1" + bytes(6) + QUESTION + b"\0\1\0\1"
    end = time.monotonic() + seconds
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.3)
        while time.monotonic() < end:
            try:
                sock.sendto(packet, (HOST, port))
                sock.recv(512)
                return
            except OSError:
                time.sleep(0.1)
    raise SystemExit(f"no answer on port {port}:\n{log.read_text(errors='replace')[-2000:]}")


def run_dnsperf(port: int, queries: Path, cpu: int) -> tuple[int, float, float]:
    """Answered queries, queries per second, share lost."""
    done = subprocess.run(
        [
            "taskset", "-c", str(cpu), "dnsperf", "-s", HOST, "-p", str(port), "-B", "-d", str(queries), "-n", "1",
            "-c", "4", "-q", "100",
        ],
        capture_output=True, text=True, check=True,
    ).stdout
    completed = int(re.search(r"Queries completed:\s+(\d+)", done)[1])  # type: ignore[index]
    qps = float(re.search(r"Queries per second:\s+([\d.]+)", done)[1])  # type: ignore[index]
    lost = float(re.search(r"Queries lost:\s+\d+ \(([\d.]+)%\)", done)[1])  # type: ignore[index]
    return completed, qps, lost


def run_changes(mmdb: str, state: str, queries: Path, cpus: list[int]) -> None:
    """The server under 20,000 queries a second while everything changes."""
    port = free_port()
    command = [sys.executable, __file__, "--serve", "changing", str(port), mmdb, state]
    child = subprocess.Popen(["taskset", "-c", str(cpus[0]), *command])
    try:
        wait_ready(port, Path("/dev/null"))
        time.sleep(1.5)
        before = receive_errors()
        # Its own receive buffer (-b, KB) is 32 KB otherwise, and loses replies while it waits for its turn.
        done = subprocess.run(
            ["taskset", "-c", str(cpus[-1]), "dnsperf", "-s", HOST, "-p", str(port), "-B", "-d", str(queries),
             "-l", "13", "-Q", "20000", "-q", "1000", "-c", "4", "-t", "2", "-b", "4096"],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        lost = receive_errors() - before
        print("\n".join(line for line in done.splitlines() if line.startswith("  Q") or "codes" in line))
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(10)
    print((Path(state) / "lag").read_text())
    print(f"dropped by the kernel, all sockets of this network, the client's too: {lost}")


def receive_errors() -> int:
    """Datagrams that found a receive buffer full, since the machine started."""
    table = Path("/proc/net/snmp").read_text().splitlines()
    names, values = [line.split() for line in table if line.startswith("Udp:")]
    return int(values[names.index("RcvbufErrors")])


def run_flood(state: str, queries: Path, cpus: list[int]) -> None:
    """HTTP beside DNS in one process: 20 requests a second for 10 s, each on a connection of its own."""
    dns_port = free_port()
    settings = f'listen = ["{HOST}:{dns_port}"]\norigin = "geo.test."'
    with tempfile.TemporaryDirectory() as folder:
        daemon = Daemon(folder, core=cpus[0], dns=settings)
        try:
            for label in ("quiet", "flood", "quiet", "flood"):
                flood = subprocess.Popen(
                    ["taskset", "-c", str(cpus[-1]), "dnsperf", "-s", HOST, "-p", str(dns_port), "-B", "-d",
                     str(queries), "-l", "11", "-c", "4", "-q", "1000", "-b", "4096"],
                    stdout=subprocess.PIPE, text=True,
                ) if label == "flood" else None  # fmt: skip
                time.sleep(0.5)
                taken = sorted(request(daemon.port) for _ in range(200))
                print(f"{label:6} HTTP ms: p50 {taken[100] * 1e3:.2f}  p99 {taken[198] * 1e3:.2f}", end="  ")
                if flood is not None:
                    out = flood.communicate()[0]
                    told = [line.strip() for line in out.splitlines() if "per second" in line or "lost" in line]
                    print(*told, end="")
                print()
        finally:
            daemon.stop()


def request(port: int) -> float:
    """Seconds until ``/healthz`` has answered on a new connection; then a pause."""
    began = time.perf_counter()
    with socket.create_connection((HOST, port)) as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        if b" 200 " not in sock.recv(4096):
            raise SystemExit("no 200 from /healthz")
    took = time.perf_counter() - began
    time.sleep(0.05)
    return took


def measure(
    servers: Servers, rounds: Sequence[Mapping[str, Path]], cpus: list[int], state: str
) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Of each server and kind of queries: microseconds of CPU a query, best of the rounds; queries a second; loss."""
    table: dict[str, dict[str, tuple[float, float, float]]] = {}
    running: dict[str, tuple[subprocess.Popen[bytes], int]] = {}
    log = open(Path(state) / "log", "wb")  # noqa: SIM115
    try:
        for name, start in servers.items():
            port = free_port()
            process = subprocess.Popen(
                ["taskset", "-c", str(cpus[0]), *start(port)], stdout=subprocess.DEVNULL, stderr=log
            )
            running[name] = process, port
            wait_ready(port, Path(state) / "log")
        # Rounds go over all servers, so that what else the machine does meets each of them.
        for kinds in rounds:
            for label, queries in kinds.items():
                for name, (process, port) in running.items():
                    if name == "twisted.names" and label == "subnet":
                        continue
                    before = cpu_seconds(process.pid)
                    completed, qps, lost = run_dnsperf(port, queries, cpus[-1])
                    used = (cpu_seconds(process.pid) - before) / completed * 1e6
                    best = table.setdefault(name, {}).get(label)
                    if best is None or used < best[0]:
                        table[name][label] = used, qps, lost
    finally:
        for process, _ in running.values():
            process.send_signal(signal.SIGTERM)
        for process, _ in running.values():
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mmdb", default="")
    parser.add_argument("--queries", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--changes", action="store_true")
    parser.add_argument("--flood", action="store_true")
    parser.add_argument("--signed", action="store_true")
    parser.add_argument("--serve", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        kind, port, mmdb, state = options.serve
        if kind == "names":
            serve_names(int(port))
        elif kind in ("p256", "ed25519"):
            serve(int(port), mmdb, state, 0, key=kind)
        else:
            serve(int(port), mmdb, state, 10_000_000 if kind == "limited" else 0, kind == "changing", kind != "single")
        return
    if not shutil.which("dnsperf"):
        raise SystemExit("dnsperf is not installed")
    cpus = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as state:
        mmdb = os.path.abspath(options.mmdb) if options.mmdb else str(Path(state) / "made-up.mmdb")
        if not options.mmdb:
            make_mmdb(Path(mmdb))

        def ours(kind: str) -> Callable[[int], list[str]]:
            return lambda port: [sys.executable, __file__, "--serve", kind, str(port), mmdb, state]

        def chosen(servers: Servers) -> Servers:
            return {name: start for name, start in servers.items()
                    if not options.only or name in options.only.split(",")}  # fmt: skip

        if options.signed:
            signed: Servers = {"cackled P-256": ours("p256"), "cackled Ed25519": ours("ed25519")}
            signed.update(dns_signed.installed(mmdb, state, list(ADDRESSES.values())[:2]))
            rounds = [dns_signed.make_queries(Path(state), options.queries, seed) for seed in range(options.rounds)]
            dns_signed.show(measure(chosen(signed), rounds, cpus, state))
            return
        with_ecs, plain = Path(state) / "ecs", Path(state) / "plain"
        make_queries(with_ecs, options.queries, True)
        make_queries(plain, options.queries, False)

        if options.changes:
            run_changes(mmdb, state, with_ecs, cpus)
            return
        if options.flood:
            run_flood(state, with_ecs, cpus)
            return

        servers: Servers = {
            "cackled": ours("exempt"), "cackled, rate limits": ours("limited"),
            "cackled, batch = false": ours("single"), "twisted.names": ours("names"),
        }
        servers.update(dns_peers.installed(mmdb, state, PLACES, ADDRESSES))
        table = measure(chosen(servers), [{"subnet": with_ecs, "plain": plain}] * options.rounds, cpus, state)
    peers = [name for name in ("PowerDNS", "Knot", "gdnsd") if name in table]
    print(f"{'server':24}{'us CPU, subnet':>16}{'qps':>9}{'lost %':>8}{'us CPU, plain':>15}{'qps':>9}", end="")
    print("".join(f"{'/ ' + name:>12}" for name in peers))
    for name, rows in table.items():
        subnet, bare = rows.get("subnet"), rows["plain"]
        first = f"{subnet[0]:16.2f}{subnet[1]:9.0f}{subnet[2]:8.2f}" if subnet else f"{'-':>16}{'-':>9}{'-':>8}"
        label = "subnet" if subnet else "plain"
        ratios = "".join(f"{rows[label][0] / table[peer][label][0]:12.2f}" for peer in peers)
        print(f"{name:24}{first}{bare[0]:15.2f}{bare[1]:9.0f}{ratios}")
    print(json.dumps({"queries": options.queries, "rounds": options.rounds, "mmdb": options.mmdb or "made up"}))


if __name__ == "__main__":
    main()
