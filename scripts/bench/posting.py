"""Posting: comments a second, their latency, and the daemon's CPU for each, with subscribers listening.

    .venv/bin/python scripts/bench/posting.py [--seconds 5] [--clients 16] [--subscribers 50]

Starts a daemon of its own on free ports and a fresh embedded PostgreSQL. "hot" writes on one page, "spread" on a
thousand. Every acknowledged comment must reach every subscriber of the hot page: that is checked too.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TICK = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Daemon:
    def __init__(self, folder: str) -> None:
        self.port = free_port()
        config = Path(folder) / "c.toml"
        config.write_text(
            f'state = "{folder}/var"\n[[listen]]\nendpoint = "tcp:{self.port}:interface=127.0.0.1"\n'
            f'[admin]\nendpoint = "tcp:{free_port()}:interface=127.0.0.1"\n[dns]\nenabled = false\n'
            '[manhole]\nenabled = false\n[limits]\nexempt = ["127.0.0.0/8"]\n'
        )
        self.log = open(f"{folder}/log", "w")  # noqa: SIM115
        twistd = Path(sys.executable).parent / "twistd"
        self.process = subprocess.Popen(
            [str(twistd), "-n", f"--pidfile={folder}/pid", "cackled", "-c", str(config)],
            cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=self.log, stderr=self.log,
        )  # fmt: skip
        for _ in range(300):
            try:
                if request(http.client.HTTPConnection("127.0.0.1", self.port, timeout=2), "GET", "/readyz")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise SystemExit(f"the daemon did not start; see {folder}/log")

    def cpu(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)


def request(connection: http.client.HTTPConnection, method: str, path: str, body: object = None, **headers: str):  # type: ignore[no-untyped-def]
    connection.request(method, path, json.dumps(body) if body is not None else None, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


class Subscriber(threading.Thread):
    """Counts the events of one page over EventSource."""

    def __init__(self, port: int, position: str) -> None:
        super().__init__(daemon=True)
        self.seen: list[int] = []
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.connection.request("GET", f"/rt/sse?sub={position}")
        self.stream = self.connection.getresponse()
        self.start()

    def run(self) -> None:
        try:
            for line in self.stream:
                if line.startswith(b'data: {"sub"') and b'"type":"comment.created"' in line[:120]:
                    self.seen.append(int(line.split(b'"seq":', 1)[1].split(b",", 1)[0]))
        except (OSError, ValueError):
            pass


def post(port: int, token: str, keys: list[str], until: float, took: list[float], bad: list[int]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    number = 0
    while time.monotonic() < until:
        body = {"channel": {"key": keys[number % len(keys)]}, "text": "Something *short* to say.", "name": "Ann"}
        began = time.perf_counter()
        status, _ = request(
            connection, "POST", "/api/v1/sites/1/comments", body, Authorization=f"Bearer {token}",
            **{"Idempotency-Key": f"{threading.get_ident()}-{number}"},
        )  # fmt: skip
        took.append(time.perf_counter() - began)
        if status != 201:
            bad.append(status)
        number += 1


def measure(daemon: Daemon, name: str, keys: list[str], args: argparse.Namespace) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=10)
    _, raw = request(connection, "GET", f"/api/v1/sites/1/comments?channel={keys[0]}")
    position = json.loads(raw)["position"]
    listeners = [Subscriber(daemon.port, position) for _ in range(args.subscribers)]
    tokens = [json.loads(request(connection, "POST", "/api/v1/sites/1/sessions")[1])["token"]
              for _ in range(args.clients)]  # fmt: skip
    took: list[float] = []
    bad: list[int] = []
    cpu, began = daemon.cpu(), time.monotonic()
    until = began + args.seconds
    writers = [
        threading.Thread(target=post, args=(daemon.port, token, keys[i:] + keys[:i], until, took, bad))
        for i, token in enumerate(tokens)
    ]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    span = time.monotonic() - began
    spent = daemon.cpu() - cpu
    time.sleep(1)
    first = int(position.rsplit("@", 1)[1])
    complete = all(one.seen == list(range(first + 1, first + 1 + len(one.seen))) for one in listeners)
    if len(keys) == 1:
        complete = complete and all(len(one.seen) == len(took) - len(bad) for one in listeners)
    took.sort()
    print(
        f"{name:8} {len(took) / span:9.0f}/s {spent / len(took) * 1e6:8.0f} us {took[len(took) // 2] * 1e3:8.1f} ms"
        f" {took[int(len(took) * 0.99)] * 1e3:8.1f} ms {len(bad):7} {'all' if complete else 'MISSING':>10}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--subscribers", type=int, default=50)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cackled-bench-") as folder:
        os.chmod(folder, 0o755)
        daemon = Daemon(folder)
        try:
            print(f"{args.clients} clients, {args.subscribers} subscribers on one page")
            print(f"{'':8} {'comments':>11} {'daemon CPU':>11} {'p50':>11} {'p99':>11} {'errors':>7} {'delivered':>10}")
            measure(daemon, "hot", ["hot"], args)
            measure(daemon, "spread", [f"page-{n}" for n in range(1000)], args)
        finally:
            daemon.stop()


main()
