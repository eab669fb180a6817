#!/usr/bin/env python3
"""TLS: our listener against nginx (with nchan for deliveries), and against Twisted's own TLS below the same server.

    .venv/bin/python scripts/bench/tls.py [--connections 1500] [--messages 40] [--only hits,idle,deliveries,...]

Rows: CPU per 2 KB hit, per handshake (full, resumed) with one request each, per delivery to WebSocket subscribers of
one channel; resident bytes per idle subscriber and per idle keep-alive connection; bulk. CPU is the server's own user +
system time from /proc, so a busy machine spoils it less than it does rates. Needs wrk for hits and bulk.
"""

from __future__ import annotations

import argparse
import os
import resource
import select
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
sys.path[0] = str(HERE.parents[2])
TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
NCHAN = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
MARK = b"`"
BODY = b'{"text":"' + b"x" * 130 + MARK + b'"}'
HANDSHAKE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


def serve(certs: str, plain: int, port: int, twisted: bool) -> None:
    """The child: hits at ``/c2`` and ``/c200``, realtime at ``/rt``, a publisher at ``/pub?id=N`` on the plain port."""
    from cackled.clock import install_monotonic_reactor

    install_monotonic_reactor()
    import gc
    from random import Random

    from twisted.internet import reactor
    from twisted.web.resource import Resource

    from cackled import config
    from cackled.api.public_root import PublicRoot
    from cackled.events import Event
    from cackled.metrics import Metrics
    from cackled.realtime.hub import Hub
    from cackled.realtime.resource import RealtimeResource
    from cackled.transport.endpoints import PublicEndpoint
    from cackled.transport.http import HttpFactory
    from cackled.transport.microcache import Microcache, MicrocachedResource
    from cackled.transport.response import json_response

    clock: Any = reactor
    seqs: dict[int, int] = {}

    async def load(site: int, channel: int, after: int, limit: int) -> Any:
        return seqs.get(channel, 0), None

    async def stand(site: int, channels: Any) -> dict[int, tuple[int, str]]:
        return {one: (seqs[one], "") for one in channels if one in seqs}

    class Publisher(Resource):
        isLeaf = True

        def render_POST(self, request: Any) -> bytes:
            channel = int(request.args[b"id"][0])
            seq = seqs[channel] = seqs.get(channel, 0) + 1
            hub.deliver(Event(1, channel, seq, "comment.created", request.content.read()))
            return b"ok"

    def route(size: int) -> Any:
        words = b"".join(b"%x" % (n * 2654435761 % 2**32) for n in range(size))[: size - 12]

        async def handler(request: Any) -> Any:
            return json_response(b'{"text":"%b"}' % words, ttl=60.0, tags=("all",))

        return handler

    metrics = Metrics()
    cache = Microcache(clock, config.Microcache(), metrics)
    # As in production: history and presence on.
    hub = Hub(clock=clock, random=Random(), config=config.Realtime(), load=load, seqs=stand, metrics=metrics)
    hub.start()
    root = PublicRoot({
        b"rt": RealtimeResource(hub, lambda *asked: None), b"pub": Publisher(),
        b"c2": MicrocachedResource(cache, route(2048)), b"c200": MicrocachedResource(cache, route(204800)),
    }, Resource())  # fmt: skip
    http = config.Http(max_connections=1_000_000, max_connections_per_address=1_000_000, idle_timeout=600.0)
    factory = HttpFactory(root, http, clock, metrics, fast=cache.fast_path())
    PublicEndpoint(clock, plain, "127.0.0.1").listen(factory)
    if twisted:
        from twisted.internet.ssl import PrivateCertificate

        pem = (Path(certs) / "a.pem").read_bytes()
        options = PrivateCertificate.loadPEM(pem).options()
        clock.listenSSL(port, factory, options, backlog=4096, interface="127.0.0.1")
    else:
        PublicEndpoint(clock, port, "127.0.0.1", certs=certs).listen(factory)
    gc.collect()
    gc.freeze()
    clock.run()


def make_certificate(folder: Path) -> None:
    """A self-signed P-256 certificate with its key."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=30))
    made = builder.sign(key, hashes.SHA256())
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "a.pem").write_bytes(secret + made.public_bytes(Encoding.PEM))


def free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]


class Subject:
    """A running server; ``plain`` takes publications, ``port`` is its TLS port."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.plain, self.port = free_ports()
        if name == "nginx":
            command = self._nginx(folder)
        else:
            command = [sys.executable, str(HERE), "--serve", str(folder), str(self.plain), str(self.port), name]
        self.process = subprocess.Popen(["taskset", "-c", "0", *command], stderr=subprocess.DEVNULL)
        self.pid = self.process.pid
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        if name == "nginx":
            time.sleep(0.3)
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
            self.pid = next(int(c) for c in children if b"worker" in Path(f"/proc/{c}/cmdline").read_bytes())

    def _nginx(self, folder: Path) -> list[str]:
        temp = "".join(
            f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (folder / "c2").write_bytes(b"x" * 2048)
        (folder / "c200").write_bytes(b"x" * 204800)
        nchan = NCHAN.exists()
        user = "user root;" if os.getuid() == 0 else ""
        (folder / "nginx.conf").write_text(f"""
{f"load_module {NCHAN};" if nchan else ""}
{user} daemon off; worker_processes 1; worker_rlimit_nofile 65536; pid {folder}/pid; error_log {folder}/error crit;
events {{ worker_connections 20000; }}
http {{
    access_log off; keepalive_requests 100000000; keepalive_timeout 600; {temp} sendfile on; tcp_nopush on;
    open_file_cache max=100; {"nchan_shared_memory_size 128m;" if nchan else ""}
    ssl_certificate {folder}/a.pem; ssl_certificate_key {folder}/a.pem; ssl_session_cache off; ssl_session_tickets on;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_ecdh_curve X25519:prime256v1:secp384r1;
    server {{
        listen 127.0.0.1:{self.plain} backlog=4096; listen 127.0.0.1:{self.port} ssl backlog=4096;
        root {folder};
        {'''location = /sub { nchan_subscriber websocket; nchan_channel_id $arg_id; }
        location = /pub { nchan_publisher http; nchan_channel_id $arg_id; nchan_message_buffer_length 100; }'''
        if nchan else ""}
    }}
}}
""")
        return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]

    def subscribe(self) -> bytes:
        where = "/sub?id=1" if self.name == "nginx" else "/rt/ws?sub=1/1"
        return f"GET {where} HTTP/1.1\r\nHost: b\r\nOrigin: http://b\r\n{HANDSHAKE}\r\n".encode()

    @property
    def ready(self) -> bytes:
        """What says that a subscriber is live."""
        return b"\r\n\r\n" if self.name == "nginx" else b'"recovered"'

    def cpu(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def rss(self) -> int:
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def connect(subject: Subject, context: ssl.SSLContext, session: Any = None) -> ssl.SSLSocket:
    sock = socket.create_connection(("127.0.0.1", subject.port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    return context.wrap_socket(sock, session=session)


def read_answer(sock: ssl.SSLSocket, until: bytes) -> bytes:
    data = b""
    while until not in data:
        more = sock.recv(65536)
        if not more:
            raise SystemExit(f"the server closed: {data[:200]!r}")
        data += more
    return data


def hits(subject: Subject, path: str, seconds: int, connections: int) -> tuple[float, float, float]:
    """CPU us per request, bytes per second of the server's CPU, and the share of a core it had."""
    url = f"https://127.0.0.1:{subject.port}{path}"
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}"]
    subprocess.run([*command, "-d1", url], capture_output=True, check=True)
    before = subject.cpu()
    out = subprocess.run([*command, f"-d{seconds}", url], capture_output=True, text=True, check=True).stdout
    used = subject.cpu() - before
    requests = int(out.split(" requests in")[0].split()[-1])
    return used / requests * 1e6, used, used / seconds


def handshakes(subject: Subject, count: int, *, resume: bool) -> float:
    """CPU us per connection with its handshake and one 2 KB request."""
    context = trusting()
    request = b"GET /c2 HTTP/1.1\r\nHost: b\r\n\r\n"
    session = None
    before = subject.cpu()
    for _ in range(count):
        with connect(subject, context, session) as sock:
            sock.sendall(request)
            read_answer(sock, b"\r\n\r\n")
            if resume:
                session = sock.session
            elif sock.session_reused:
                raise SystemExit("resumed")
    return (subject.cpu() - before) / count * 1e6


def idle(subject: Subject, count: int) -> float:
    """Resident bytes per keep-alive connection after a request."""
    context = trusting()
    warm = connect(subject, context)
    time.sleep(0.3)
    before = subject.rss()
    held = []
    for _ in range(count):
        sock = connect(subject, context)
        sock.sendall(b"GET /c2 HTTP/1.1\r\nHost: b\r\n\r\n")
        read_answer(sock, b"\r\n\r\n")
        held.append(sock)
    time.sleep(0.5)
    grown = subject.rss() - before
    for sock in (*held, warm):
        sock.close()
    return grown / count


def deliveries(subject: Subject, count: int, messages: int) -> tuple[float, float]:
    """Resident bytes per idle subscriber, and CPU us per delivery."""
    context = trusting()
    connect(subject, context).close()
    time.sleep(0.3)
    before = subject.rss()
    poll = select.epoll()
    sockets: dict[int, ssl.SSLSocket] = {}
    for _ in range(count):
        sock = connect(subject, context)
        sock.sendall(subject.subscribe())
        read_answer(sock, subject.ready)
        sock.setblocking(False)
        sockets[sock.fileno()] = sock
        poll.register(sock.fileno(), select.EPOLLIN)
    time.sleep(1.5)
    grown = subject.rss() - before
    publisher = socket.create_connection(("127.0.0.1", subject.plain))
    head = f"POST /pub?id=1 HTTP/1.1\r\nHost: b\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
    got, used = 0, 0.0
    for number in range(messages + 1):
        if number == 1:
            used, got = subject.cpu(), 0
        publisher.sendall(head + BODY)
        publisher.recv(65536)
        wanted = count * max(1, number)
        limit = time.monotonic() + 60
        while got < wanted:
            if time.monotonic() > limit:
                raise SystemExit(f"{subject.name}: {wanted - got} messages never came")
            for fd, _ in poll.poll(1, 4096):
                try:
                    while True:
                        data = sockets[fd].recv(16384)
                        got += data.count(MARK)
                        if not data:
                            raise SystemExit("a subscriber was dropped")
                except ssl.SSLWantReadError:
                    pass
    used = subject.cpu() - used
    for sock in sockets.values():
        sock.close()
    publisher.close()
    return grown / count, used / (count * messages) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--connections", type=int, default=1500)
    parser.add_argument("--messages", type=int, default=40)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--only", default="hits,handshakes,idle,deliveries,bulk")
    options = parser.parse_args()
    if options.serve:
        folder, plain, port, name = options.serve
        serve(folder, int(plain), int(port), name == "twisted")
        return
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.sched_setaffinity(0, {1})
    folder = Path(tempfile.mkdtemp(prefix="bench-tls-"))
    make_certificate(folder)
    names = ["cackled", "twisted"] + (["nginx"] if shutil.which("nginx") else [])
    rows: dict[str, dict[str, float]] = {}

    def measure(label: str, name: str, value: float) -> None:
        rows.setdefault(label, {})[name] = value

    chosen = options.only.split(",")
    try:
        for part in chosen:
            for name in names:
                subject = Subject(name, folder)
                try:
                    if part == "hits":
                        cost, _, core = hits(subject, "/c2", options.seconds, 64)
                        measure("CPU us per 2 KB hit", name, cost)
                        measure("  share of a core", name, core)
                    elif part == "bulk":
                        cost, _, _ = hits(subject, "/c200", options.seconds, 16)
                        measure("200 KB, Gbit/s per core", name, 204800 * 8 / cost / 1e3)
                    elif part == "handshakes":
                        measure("CPU us per full handshake + request", name, handshakes(subject, 600, resume=False))
                        if name != "twisted":
                            measure("CPU us per resumed one", name, handshakes(subject, 600, resume=True))
                    elif part == "idle":
                        measure("bytes per idle keep-alive connection", name, idle(subject, options.connections))
                    elif part == "deliveries" and (name != "nginx" or NCHAN.exists()):
                        size, cost = deliveries(subject, options.connections, options.messages)
                        measure("bytes per idle subscriber", name, size)
                        measure("CPU us per delivery", name, cost)
                finally:
                    subject.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{'':38}" + "".join(f"{name:>12}" for name in names) + f"{'ours/nginx':>12}{'ours/twisted':>14}")
    for label, found in rows.items():
        line = f"{label:38}" + "".join(f"{found[name]:12.2f}" if name in found else f"{'':12}" for name in names)
        for name in ("nginx", "twisted"):
            line += f"{found['cackled'] / found[name]:12.2f}" if name in found else f"{'':12}"
        print(line)


if __name__ == "__main__":
    main()
