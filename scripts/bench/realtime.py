#!/usr/bin/env python
"""Fan-out, memory and connects of our realtime server, with nginx + nchan beside it where that is installed.

    scripts/bench/realtime.py [--subscribers 2000] [--messages 50] [--only cackled] [--transports ws,sse] [--pin]
        [--presence]

Two layouts: "dense", one channel with everybody; "sparse", channels of ten with eight messages on their way. CPU is
the server's own user + system time from /proc, on loopback: the system part holds the receiver's TCP input as well.
Messages come in by HTTP POST on both servers; what a POST costs is measured on a channel without subscribers and taken
off the deliveries (ours get their events from the database's log, not by POST).
RSS is the server's growth per connection. Of our server the lengths of the reactor's turns while messages went out are
told as well (from one poll to the next; "CPU" is what the turn used itself, wall time has everybody else's share in
it). The client is one process with raw sockets and epoll, and answers pings. Run it on an idle machine; wall-clock
figures are noisy on a shared one, CPU per delivery and RSS are not.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Not the scripts' own folder: there are modules named as the standard library's.
sys.path[0] = str(ROOT)
TICK = os.sysconf("SC_CLK_TCK")
NCHAN = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
GROUP = 10
IN_FLIGHT = 8
# One byte that is in each message once, and in no frame header (126, "~", is).
MARK = b"`"
PADDING = 130
HANDSHAKE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


PING, PONG = b"\x89\0", b"\x8a\x80\0\0\0\0"


class Turns:
    """How long the reactor's turns are: stands in for its poller."""

    def __init__(self, reactor) -> None:
        self._poller = reactor._poller
        self.wall: list[float] = []
        self.cpu: list[float] = []
        self._woke = time.monotonic(), time.thread_time()
        self._collecting = self.collections = 0.0
        gc.callbacks.append(self._collected)
        reactor._poller = self

    def _collected(self, phase: str, info) -> None:
        if phase == "start":
            self._collecting = time.thread_time()
        else:
            self.collections = max(self.collections, time.thread_time() - self._collecting)

    def __getattr__(self, name: str):
        return getattr(self._poller, name)

    def poll(self, *how):
        wall, used = self._woke
        self.wall.append(time.monotonic() - wall)
        self.cpu.append(time.thread_time() - used)
        found = self._poller.poll(*how)
        self._woke = time.monotonic(), time.thread_time()
        return found

    def take(self) -> bytes:
        """Number, and the longest and the 99.9th percentile in ms, wall and CPU, since the last call."""
        told = [f"{len(self.wall)}"]
        for lengths in (self.wall, self.cpu):
            lengths.sort()
            told += (f"{lengths[-1] * 1e3:.1f}", f"{lengths[int(len(lengths) * 0.999)] * 1e3:.1f}")
            lengths.clear()
        told.append(f"{self.collections * 1e3:.1f}")
        self.collections = 0.0
        return " ".join(told).encode()


def serve(presence: bool) -> None:
    """The server side of ours: ``/rt`` and a publisher at ``/pub?id=CHANNEL``."""
    from cackled.clock import install_monotonic_reactor

    install_monotonic_reactor()
    from random import Random

    from twisted.internet import reactor
    from twisted.web.resource import Resource

    from cackled import config
    from cackled.admin.lag import Freezer
    from cackled.api.public_root import PublicRoot
    from cackled.events import Event
    from cackled.metrics import Metrics
    from cackled.realtime.hub import Hub
    from cackled.realtime.resource import RealtimeResource
    from cackled.transport.endpoints import PublicEndpoint
    from cackled.transport.http import HttpFactory

    seqs: dict[int, int] = {}

    async def load(site, channel, after, limit):
        return seqs.get(channel, 0), None

    async def stand(site, channels):
        return {one: (seqs[one], "") for one in channels if one in seqs}

    class Publisher(Resource):
        isLeaf = True

        def render_POST(self, request):
            channel = int(request.args[b"id"][0])
            seq = seqs[channel] = seqs.get(channel, 0) + 1
            hub.deliver(Event(1, channel, seq, "comment.created", request.content.read()))
            return b"ok"

    class TurnsResource(Resource):
        isLeaf = True

        def render_GET(self, request):
            return turns.take()

    turns = Turns(reactor)
    metrics = Metrics()
    settings = config.Realtime(presence=presence)
    hub = Hub(clock=reactor, random=Random(), config=settings, load=load, seqs=stand, metrics=metrics)
    hub.start()
    rooms = {b"rt": RealtimeResource(hub, lambda *asked: None), b"pub": Publisher(), b"turns": TurnsResource()}
    http = config.Http(max_connections=1_000_000, max_connections_per_address=1_000_000)
    endpoint = PublicEndpoint(reactor, 0, "127.0.0.1")
    port = endpoint.listen_on(endpoint.bind(), HttpFactory(PublicRoot(rooms, Resource()), http, reactor, metrics))
    # As in the daemon.
    Freezer(reactor, metrics, lambda: sum(hub.stats().sessions.values())).start()
    print(port.getHost().port, flush=True)
    reactor.run()


class Ours:
    name = "cackled"
    presence = False

    def __init__(self, pin: bool) -> None:
        command = [sys.executable, __file__, "--serve", *(["--presence"] if self.presence else [])]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.pid = self.process.pid
        if pin:
            os.sched_setaffinity(self.pid, {0})

    def subscribe(self, transport: str, channel: int) -> bytes:
        more = HANDSHAKE if transport == "ws" else ""
        return f"GET /rt/{transport}?sub=1/{channel} HTTP/1.1\r\nHost: b\r\nOrigin: http://b\r\n{more}\r\n".encode()

    def publish(self, channel: int, body: bytes) -> bytes:
        return f"POST /pub?id={channel} HTTP/1.1\r\nHost: b\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    def turns(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/turns") as answer:
            return answer.read().decode()

    # What says that a subscriber is live.
    ready = b'"recovered"'

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)


class Nchan:
    name = "nchan"
    ready = b"\r\n\r\n"

    def __init__(self, pin: bool) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bench-nchan-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        temp = "".join(
            f"{kind}_temp_path {self.folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (self.folder / "nginx.conf").write_text(f"""
load_module {NCHAN};
daemon off; worker_processes 1; worker_rlimit_nofile 65536; pid {self.folder}/pid; error_log {self.folder}/error crit;
events {{ worker_connections 40000; }}
http {{
    access_log off; keepalive_requests 100000000; {temp}
    nchan_shared_memory_size 256m;
    server {{
        listen 127.0.0.1:{self.port} backlog=4096;
        location = /sub {{
            nchan_subscriber websocket eventsource; nchan_channel_id $arg_id; nchan_websocket_ping_interval 25s;
        }}
        location = /pub {{ nchan_publisher http; nchan_channel_id $arg_id; nchan_message_buffer_length 100; }}
    }}
}}
""")
        self.process = subprocess.Popen(["nginx", "-p", str(self.folder), "-c", str(self.folder / "nginx.conf")])
        time.sleep(1)
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.pid = int(children[0])
        if pin:
            os.sched_setaffinity(self.pid, {0})

    def subscribe(self, transport: str, channel: int) -> bytes:
        more = HANDSHAKE if transport == "ws" else "Accept: text/event-stream\r\n"
        return f"GET /sub?id={channel} HTTP/1.1\r\nHost: b\r\nOrigin: http://b\r\n{more}\r\n".encode()

    def publish(self, channel: int, body: bytes) -> bytes:
        return f"POST /pub?id={channel} HTTP/1.1\r\nHost: b\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)


def cpu(pid: int) -> tuple[float, float]:
    """User and system seconds: the scheduler's exact sum, divided as the clock's ticks say."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    user, system = int(fields[11]), int(fields[12])
    tasks = Path(f"/proc/{pid}/task").iterdir()
    exact = sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
    return exact * user / max(1, user + system), exact * system / max(1, user + system)


def rss(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Crowd:
    """N subscribers in one epoll, and a publisher."""

    def __init__(self, server: Ours | Nchan, transport: str, count: int, channels: int) -> None:
        self.server = server
        self.poll = select.epoll()
        self.sockets: dict[int, socket.socket] = {}
        self.got = 0
        began, used = time.monotonic(), sum(cpu(server.pid))
        waiting: dict[int, bytes] = {}
        for number in range(count):
            sock = socket.socket()
            # Several source addresses and no TIME_WAIT, so that runs don't disturb each other.
            sock.bind((f"127.0.0.{2 + number % 50}", 0))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            sock.connect(("127.0.0.1", server.port))
            sock.sendall(server.subscribe(transport, 1 + number % channels))
            sock.setblocking(False)
            self.sockets[sock.fileno()] = sock
            self.poll.register(sock.fileno(), select.EPOLLIN)
            waiting[sock.fileno()] = b""
            if len(waiting) >= 256:
                self._await(waiting, 128)
        self._await(waiting, 0)
        self.seconds = time.monotonic() - began
        self.cpu = sum(cpu(server.pid)) - used
        self.publisher = socket.create_connection(("127.0.0.1", server.port))

    def _await(self, waiting: dict[int, bytes], most: int) -> None:
        limit = time.monotonic() + 60
        while len(waiting) > most:
            if time.monotonic() > limit:
                raise SystemExit("subscribers did not become live")
            for fd, _ in self.poll.poll(1):
                data = self._read(fd)
                if not data:
                    raise SystemExit("a subscriber was refused")
                if fd in waiting:
                    waiting[fd] += data
                    if self.server.ready in waiting[fd]:
                        del waiting[fd]

    def _read(self, fd: int) -> bytes:
        """What has come; who does not answer pings is cut off after two of them."""
        data = self.sockets[fd].recv(65536)
        # Neither of its bytes is in any text or in the head of another frame.
        if PING in data:
            self.sockets[fd].send(PONG)
        return data

    def publish(self, channel: int, body: bytes) -> None:
        self.publisher.sendall(self.server.publish(channel, body))

    def answered(self, count: int) -> None:
        """Wait for the answers of so many POSTs."""
        self.publisher.settimeout(10)
        got = b""
        while got.count(b"HTTP/1.1 ") < count:
            data = self.publisher.recv(65536)
            if not data:
                raise SystemExit("the publisher was cut off")
            got += data

    def drain_publisher(self) -> None:
        self.publisher.setblocking(False)
        try:
            while self.publisher.recv(65536):
                pass
        except BlockingIOError:
            pass
        self.publisher.setblocking(True)

    def receive(self, until: int) -> None:
        """Read until so many messages have come in all."""
        limit = time.monotonic() + 60
        read, got = self._read, self.got
        while got < until:
            if time.monotonic() > limit:
                raise SystemExit(f"{until - got} messages never came")
            for fd, _ in self.poll.poll(1, 4096):
                data = read(fd)
                if not data:
                    raise SystemExit("a subscriber was dropped")
                got += data.count(MARK)
        self.got = got

    def close(self) -> None:
        for sock in self.sockets.values():
            sock.close()
        self.publisher.close()
        self.poll.close()


def run(kind: type[Ours] | type[Nchan], transport: str, layout: str, count: int, messages: int, pin: bool) -> dict:
    server = kind(pin)
    try:
        body = b'{"text":"' + b"x" * PADDING + MARK + b'"}'
        channels = 1 if layout == "dense" else max(1, count // GROUP)
        time.sleep(0.3)
        before = rss(server.pid)
        crowd = Crowd(server, transport, count, channels)
        time.sleep(1.5)
        grown = rss(server.pid) - before
        each = count // channels
        lasts = []
        # Once for warmth.
        for channel in range(1, min(channels, 20) + 1):
            crowd.publish(channel, body)
            crowd.receive(crowd.got + each)
        posts = 8_000
        for number in range(posts + 800):
            if number == 800:
                user, system = cpu(server.pid)
            crowd.publish(9_000_000 + number % IN_FLIGHT, body)
            if number % IN_FLIGHT == IN_FLIGHT - 1:
                crowd.answered(IN_FLIGHT)
        now = cpu(server.pid)
        post = ((now[0] - user) / posts, (now[1] - system) / posts)
        user, system = now
        if isinstance(server, Ours):
            server.turns()
        first, began = crowd.got, time.monotonic()
        if layout == "dense":
            for _ in range(messages):
                start = time.monotonic()
                crowd.publish(1, body)
                crowd.receive(crowd.got + each)
                lasts.append(time.monotonic() - start)
                crowd.drain_publisher()
            sent_in_all = messages
        else:
            total = sent_in_all = messages * channels
            for sent in range(0, total, IN_FLIGHT):
                start = time.monotonic()
                size = min(IN_FLIGHT, total - sent)
                for number in range(sent, sent + size):
                    crowd.publish(1 + number % channels, body)
                crowd.receive(crowd.got + each * size)
                lasts.append(time.monotonic() - start)
                crowd.drain_publisher()
        seconds = time.monotonic() - began
        time.sleep(0.1)
        after = cpu(server.pid)
        turns = server.turns() if isinstance(server, Ours) else ""
        deliveries = crowd.got - first
        gross = (after[0] + after[1] - user - system) / deliveries * 1e6
        user, system = user + sent_in_all * post[0], system + sent_in_all * post[1]
        crowd.close()
        return {
            "server": server.name, "transport": transport, "layout": layout, "rss": grown / count,
            "connect": crowd.cpu / count * 1e6, "connects": count / crowd.seconds,
            "user": (after[0] - user) / deliveries * 1e6, "sys": (after[1] - system) / deliveries * 1e6,
            "post": sum(post) * 1e6, "gross": gross,
            "turns": turns, "last": statistics.median(lasts) * 1e3, "rate": deliveries / seconds,
        }  # fmt: skip
    finally:
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--subscribers", "-n", type=int, default=2_000)
    parser.add_argument("--messages", type=int, default=50)
    parser.add_argument("--only", choices=("cackled", "nchan"))
    parser.add_argument("--transports", default="ws,sse")
    parser.add_argument("--layouts", default="dense,sparse")
    parser.add_argument("--pin", action="store_true", help="server on core 0, client on core 1")
    parser.add_argument("--presence", action="store_true", help="ours also counts who is here, and tells them")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if options.serve:
        serve(options.presence)
        return
    Ours.presence = options.presence
    if options.pin:
        os.sched_setaffinity(0, {1})
    kinds: list[type[Ours] | type[Nchan]] = [] if options.only == "nchan" else [Ours]
    if options.only != "cackled" and NCHAN.exists() and shutil.which("nginx"):
        kinds.append(Nchan)
    print(f"{options.subscribers} subscribers, {options.messages} messages, {PADDING + 70}-byte frames or so\n")
    print("| server | transport | layout | RSS/conn B | CPU us/connect | CPU us/POST | CPU us/delivery with POST "
          "| without = user + sys | to last ms | deliveries/s | CPU ours/nchan | RSS ours/nchan |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for layout in options.layouts.split(","):
        for transport in options.transports.split(","):
            rows = [
                run(kind, transport, layout, options.subscribers, options.messages, options.pin) for kind in kinds
            ]
            for row in rows:
                ratio = size = ""
                if len(rows) == 2 and row is rows[0]:
                    ratio = f"{(row['user'] + row['sys']) / (rows[1]['user'] + rows[1]['sys']):.2f}"
                    size = f"{row['rss'] / rows[1]['rss']:.2f}"
                print(
                    f"| {row['server']} | {transport} | {layout} | {row['rss']:,.0f} | {row['connect']:.0f} "
                    f"| {row['post']:.0f} | {row['gross']:.1f} "
                    f"| {row['user'] + row['sys']:.1f} = {row['user']:.1f} + {row['sys']:.1f} | {row['last']:.1f} "
                    f"| {row['rate']:,.0f} | {ratio} | {size} |", flush=True,
                )  # fmt: skip
                if row["turns"]:
                    told = "  {} turns; longest and p99.9 {} and {} ms; of CPU {} and {} ms; longest gc {} ms"
                    print(told.format(*row["turns"].split()), file=sys.stderr)


if __name__ == "__main__":
    main()
