#!/usr/bin/env python3
"""Files of pictures: CPU for each request against nginx (sendfile), slow readers, a cold file that many ask for.

    .venv/bin/python scripts/bench/media.py [--seconds 3] [--slow 500] [--clients 1000]

The server is our listener with the resource of /media/ and the cache of a node before an origin that takes 0.2 s; the
database is left out (what a picture is, is known for a minute anyway). CPU seconds are read from /proc, so that the
client may be the slower of the two. Hit ratios: scripts/bench/media_policies.py.
"""

from __future__ import annotations

import argparse
import os
import selectors
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
SERVER_CORE, CLIENT_CORE = 0, 1
TICKS = os.sysconf("SC_CLK_TCK")
ID = "A" * 22
SMALL, LARGE = 200_000, 64 * 1_048_576

NGINX = """
worker_processes 1; daemon off; pid {dir}/pid; error_log {dir}/error.log; {user}
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; sendfile on; tcp_nopush on; default_type image/webp;
  client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u;
  scgi_temp_path {dir}/s; ssl_certificate {dir}/certs/a.pem; ssl_certificate_key {dir}/certs/a.pem;
  open_file_cache max=100;
  server {{ listen 127.0.0.1:{port} backlog=4096; root {dir}/www; }}
  server {{ listen 127.0.0.1:{tls} ssl backlog=4096; root {dir}/www; }}
}}
"""


def serve(port: int, tls: int, folder: str) -> None:
    """The child: two listeners; `GET /stats` gives the longest turn, its CPU, and the reads of the origin."""
    sys.path.insert(0, str(HERE.parents[2]))
    from cackled.clock import install_monotonic_reactor

    install_monotonic_reactor()
    from functools import partial
    from types import SimpleNamespace

    from twisted.internet import reactor as any_reactor
    from twisted.internet.threads import deferToThreadPool

    from cackled import config
    from cackled.admin.lag import Freezer
    from cackled.clock import sleep
    from cackled.domain.settings import SiteSettings
    from cackled.media import resource
    from cackled.media.disk_cache import DiskCache
    from cackled.media.edge import EdgeFiles
    from cackled.media.service import Known, Medium
    from cackled.media.sums import sums_of
    from cackled.metrics import Metrics
    from cackled.transport.endpoints import PublicEndpoint
    from cackled.transport.http import HttpFactory
    from cackled.transport.microcache import Microcache
    from cackled.transport.resources import AsyncResource, Folder
    from cackled.transport.response import Response, json_response

    reactor: Any = any_reactor
    www = Path(folder, "www")
    bodies = {path.name: path.read_bytes() for path in www.iterdir()}
    known = [Known(name, "image/webp", 1, 1, len(body), sums_of(body)) for name, body in bodies.items()]
    reads = [0]

    class SlowOrigin:
        async def read(self, site: int, digest: bytes, name: str, start: int, length: int) -> bytes:
            reads[0] += 1
            await sleep(reactor, 0.2)
            return bodies[name][start : start + length]

    async def find(*given: Any) -> dict[str, Medium]:
        return {ID: Medium(ID, b"d" * 32, 1, 1, 1, "#fff", "", known, "comment:1", True)}

    setattr(resource, "find_media", find)  # noqa: B010
    in_thread = partial(deferToThreadPool, reactor, reactor.getThreadPool())
    metrics = Metrics()
    origin: Any = SlowOrigin()
    files = EdgeFiles(origin, DiskCache(Path(folder, "cache"), 1 << 30, 10_000), reactor, in_thread, metrics)
    nothing: Any = None
    site: Any = SimpleNamespace(id=1, settings=SiteSettings())
    sites: Any = SimpleNamespace(find=lambda number: site)
    limits: Any = SimpleNamespace(take=lambda *given: None)
    longest = [0.0, 0.0]
    last = [time.perf_counter(), time.thread_time()]

    def tick() -> None:
        now, cpu = time.perf_counter(), time.thread_time()
        longest[0] = max(longest[0], now - last[0] - 0.002)
        longest[1] = max(longest[1], cpu - last[1])
        last[:] = now, cpu
        reactor.callLater(0.002, tick)

    async def stats(request: Any) -> Response:
        answer = json_response({"wall_ms": longest[0] * 1000, "cpu_ms": longest[1] * 1000, "reads": reads[0]})
        longest[:] = 0.0, 0.0
        reads[0] = 0
        return answer

    root = Folder()
    gallery = resource.Gallery(nothing, files, reactor.seconds, in_thread)
    root.putChild(b"media", resource.MediaResource(sites, gallery, limits, lambda request: "", nothing))
    root.putChild(b"stats", AsyncResource(stats))
    settings = config.Http(max_connections_per_address=5_000, stall_timeout=120.0)
    fast = Microcache(reactor, config.Microcache(), metrics).fast_path()
    factory = HttpFactory(root, settings, reactor, metrics, fast=fast)
    for number, certs in ((port, None), (tls, str(Path(folder, "certs")))):
        endpoint = PublicEndpoint(reactor, number, "127.0.0.1", backlog=4096, certs=certs)
        endpoint.listen_on(endpoint.bind(), factory)
    reactor.callLater(0, tick)
    # As in the daemon: what is there from the start is none of the collector's matter.
    Freezer(reactor, metrics, lambda: len(factory.channels)).start()
    reactor.run()


def cpu_of(pid: int) -> float:
    """CPU seconds of a process and, of nginx, its worker."""
    pids = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    total = 0
    for one in pids:
        fields = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def fetch(port: int, path: str, secure: bool, seconds: float) -> int:
    """Ask on eight connections for *seconds*; gives how many whole answers came."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    ask = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    buffer, left, done = bytearray(1 << 18), {}, 0
    chosen = selectors.DefaultSelector()
    for _ in range(8):
        made: Any = socket.create_connection(("127.0.0.1", port))
        if secure:
            made = context.wrap_socket(made, server_hostname="localhost")
        made.sendall(ask)
        made.setblocking(False)
        chosen.register(made, selectors.EVENT_READ)
        left[made] = -1
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for key, _ in chosen.select(1.0):
            client: Any = key.fileobj
            try:
                size = client.recv_into(buffer)
            except (BlockingIOError, ssl.SSLWantReadError):
                continue
            if left[client] < 0:
                head, _, rest = bytes(buffer[:size]).partition(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                left[client] = length - len(rest)
            else:
                left[client] -= size
            if left[client] == 0:
                done += 1
                left[client] = -1
                client.sendall(ask)
    for key in list(chosen.get_map().values()):
        key.fileobj.close()
    return done


def stats(port: int) -> dict[str, float]:
    """What the child says since the last time."""
    import json

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/stats", timeout=60) as answer:
        found: dict[str, float] = json.load(answer)
    return found


def slow(port: int, count: int, seconds: float) -> int:
    """*count* clients read the large file at 160 KB a second each; gives the bytes that came."""
    clients = []
    for _ in range(count):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)
        client.connect(("127.0.0.1", port))
        client.sendall(f"GET /media/1-{ID}/large.webp HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        client.setblocking(False)
        clients.append(client)
    total, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        for client in clients:
            try:
                total += len(client.recv(16_384))
            except BlockingIOError:
                pass
        time.sleep(0.05)
    for client in clients:
        client.close()
    return total


def cold(port: int, count: int) -> int:
    """*count* clients ask for a file that nobody asked for, at once; gives how many got all of it."""
    chosen, got = selectors.DefaultSelector(), {}
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    for client in clients:
        client.sendall(f"GET /media/1-{ID}/cold.webp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        chosen.register(client, selectors.EVENT_READ)
        got[client] = 0
    open_ = count
    while open_:
        for key, _ in chosen.select(30.0):
            client = key.fileobj  # type: ignore[assignment]
            data = client.recv(1 << 18)
            got[client] += len(data)
            if not data:
                chosen.unregister(client)
                client.close()
                open_ -= 1
    return sum(size > SMALL for size in got.values())


def main() -> None:
    """Start both, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--slow", type=int, default=500)
    parser.add_argument("--clients", type=int, default=1_000)
    parser.add_argument("--serve", nargs=3)
    given = parser.parse_args()
    if given.serve:
        serve(int(given.serve[0]), int(given.serve[1]), given.serve[2])
        return
    sys.path.insert(0, str(HERE.parents[2]))
    from scripts.bench.harness import free_port

    started = []
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        Path(folder, "www").mkdir()
        Path(folder, "certs").mkdir()
        for name, size in (("small.webp", SMALL), ("cold.webp", SMALL), ("large.webp", LARGE)):
            Path(folder, "www", name).write_bytes(os.urandom(size))
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", f"{folder}/certs/key",
             "-out", f"{folder}/certs/cert"], check=True, capture_output=True,
        )  # fmt: skip
        pem = Path(folder, "certs", "key").read_text() + Path(folder, "certs", "cert").read_text()
        Path(folder, "certs", "a.pem").write_text(pem)
        for name in ("key", "cert"):
            Path(folder, "certs", name).unlink()
        ports = {"ours": (free_port(), free_port()), "nginx": (free_port(), free_port())}
        pin = ["taskset", "-c", str(SERVER_CORE)]
        started.append(("ours", subprocess.Popen(
            [*pin, sys.executable, str(HERE), "--serve", *map(str, ports["ours"]), folder])))  # fmt: skip
        if shutil.which("nginx"):
            user = "user root;" if os.getuid() == 0 else ""
            plain, tls = ports["nginx"]
            Path(folder, "n.conf").write_text(NGINX.format(dir=folder, port=plain, tls=tls, user=user))
            started.append(("nginx", subprocess.Popen([*pin, "nginx", "-p", folder, "-c", f"{folder}/n.conf"])))
        os.sched_setaffinity(0, {CLIENT_CORE})
        try:
            time.sleep(4.0)
            port = ports["ours"][0]
            stats(port)
            whole = cold(port, given.clients)
            seen = stats(port)
            print(
                f"cold: {whole} of {given.clients} clients whole, {seen['reads']:.0f} read of the origin, "
                f"longest turn {seen['cpu_ms']:.1f} ms of CPU"
            )
            for secure in (False, True):
                for name, process in started:
                    path = f"/media/1-{ID}/small.webp" if name == "ours" else "/small.webp"
                    fetch(ports[name][secure], path, secure, 0.5)
                    before = cpu_of(process.pid)
                    done = fetch(ports[name][secure], path, secure, given.seconds)
                    used = cpu_of(process.pid) - before
                    print(
                        f"{'TLS' if secure else 'plain':6}{name:6} {used / done * 1e6:7.0f} us CPU for 200 KB, "
                        f"{done * SMALL * 8 / used / 1e9:5.1f} Gbit/s a core"
                    )
            fetch(port, f"/media/1-{ID}/large.webp", False, 1.0)
            stats(port)
            got = slow(port, given.slow, given.seconds)
            seen = stats(port)
            print(
                f"{given.slow} slow readers: {got / given.seconds / 1e6:.0f} MB/s, "
                f"longest turn {seen['wall_ms']:.1f} ms by the clock, {seen['cpu_ms']:.1f} ms of CPU"
            )
        finally:
            for _, process in started:
                process.terminate()
                process.wait()


if __name__ == "__main__":
    main()
