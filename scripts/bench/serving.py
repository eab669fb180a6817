#!/usr/bin/env python3
"""Microcached answers per second of our HTTP server, against nginx's microcache where nginx is installed.

Starts both on the loopback (server on one core, wrk on another), and prints the server's CPU time for each request
from /proc: the figure to compare, for the client may be the slower of the two. Needs wrk.

    .venv/bin/python scripts/bench/serving.py [--seconds 4] [--only NAME] [--tls]
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve()
SERVER_CORE, CLIENT_CORE = "0", "1"
TICKS = os.sysconf("SC_CLK_TCK")

LUA_URLS = """
local heads, n = {}, 0
local agents = {"Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7", "X11; Linux x86_64"}
for i = 1, 500 do
  heads[i] = " HTTP/1.1\\r\\nHost: comments.example\\r\\nConnection: keep-alive\\r\\nUser-Agent: Mozilla/5.0 (" ..
    agents[i %% 3 + 1] ..
    ") AppleWebKit/537.36 (KHTML, like Gecko) Chrome/1" .. (i %% 40) .. ".0.0.0 Safari/537.36\\r\\n" ..
    "Accept: */*\\r\\nOrigin: https://site" .. i .. ".example\\r\\nReferer: https://site" .. i .. ".example/\\r\\n" ..
    "Accept-Encoding: gzip, deflate, br, zstd\\r\\nAccept-Language: en-US,en;q=0.9\\r\\n" ..
    "Cookie: _ga=GA1.2." .. i .. "\\r\\n\\r\\n"
end
request = function()
  n = n + 1
  %s
end
"""
ANY_PAIR = 'return "GET /many?u=" .. math.random(1000) .. heads[math.random(500)]'
NEW_HEADS = (
    'local head = string.sub(heads[math.random(500)], 1, -5) .. "x" .. n .. "\\r\\n\\r\\n" '
    'return "GET /many?u=" .. math.random(1000) .. head'
)
POLLERS = 'local i = math.random(500) return "GET /many?u=" .. i .. heads[i]'

NGINX = """
{user} worker_processes 1; daemon off; pid {dir}/pid; error_log {dir}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path {dir}/b; proxy_temp_path {dir}/p;
  fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  proxy_cache_path {dir}/cache levels=1:2 keys_zone=micro:16m max_size=500m;
  upstream backend {{ server 127.0.0.1:{backend}; keepalive 8; }}
  # 3 s, as in production; a minute for many URLs, where loads would be measured, not hits.
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /many {{ proxy_cache_valid 200 60s; {proxy} }}
    location / {{ proxy_cache_valid 200 301 302 3s; {proxy} }}
  }}
}}
"""
PROXY = """
      proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host comments.example;
      proxy_cache micro; proxy_cache_methods GET HEAD; proxy_cache_lock on;
      proxy_cache_key $scheme$host$request_method$request_uri;
      proxy_cache_use_stale error timeout updating http_500 http_502 http_503 http_504;
      proxy_ignore_headers Cache-Control Vary;
      proxy_no_cache $cookie__mcnc; proxy_cache_bypass $cookie__mcnc;
"""


def serve(port: int, fast: bool, certs: str) -> None:
    """The child: the server alone, with two microcached routes."""
    sys.path.insert(0, str(HERE.parents[2]))
    from cackled.clock import install_monotonic_reactor

    install_monotonic_reactor()
    from twisted.internet import reactor
    from twisted.web.resource import Resource

    from cackled import config
    from cackled.metrics import Metrics
    from cackled.transport.endpoints import PublicEndpoint
    from cackled.transport.http import HttpFactory
    from cackled.transport.microcache import Microcache, MicrocachedResource
    from cackled.transport.response import CONFIGURED_TTL, json_response

    def route(size: int, ttl: float = CONFIGURED_TTL):
        # Text that compresses about as well as comments do.
        words = b"".join(b"%x" % (n * 2654435761 % 2**32) for n in range(size))[: size - 12]

        async def handler(request):
            return json_response(b'{"text":"%b"}' % words, ttl=ttl, tags=("all",))

        return handler

    metrics = Metrics()
    cache = Microcache(reactor, config.Microcache(), metrics)
    root = Resource()
    root.putChild(b"c2", MicrocachedResource(cache, route(2048)))
    root.putChild(b"many", MicrocachedResource(cache, route(2048, 60.0)))
    root.putChild(b"c20", MicrocachedResource(cache, route(20480)))
    root.putChild(b"c200", MicrocachedResource(cache, route(204800, 60.0)))
    factory = HttpFactory(
        root, config.Http(max_connections_per_address=10_000), reactor, metrics,
        fast=cache.fast_path() if fast else None,
    )  # fmt: skip
    PublicEndpoint(reactor, port, "127.0.0.1").listen(factory)
    if certs:
        PublicEndpoint(reactor, port + 100, "127.0.0.1", certs=certs).listen(factory)
    reactor.run()


class Subject:
    """A running server and the process whose CPU time counts."""

    def __init__(self, name: str, port: int, process: subprocess.Popen[bytes]) -> None:
        self.name = name
        self.port = port
        self.process = process
        self.pid = process.pid
        for _ in range(100):
            try:
                urllib.request.urlopen(self.url("/c2"), timeout=2).read()
                break
            except OSError:
                time.sleep(0.1)
        else:
            self.stop()
            raise SystemExit(f"{name} does not answer")
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        if children and name == "nginx":
            self.pid = next(int(c) for c in children if b"worker" in Path(f"/proc/{c}/cmdline").read_bytes())

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def cpu(self) -> float:
        """Seconds of CPU used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def wrk(
    subject: Subject, path: str, connections: int, seconds: int, script: str = "", *fields: str
) -> dict[str, float]:
    """One run; CPU time is taken over exactly the time of the run."""
    command = ["taskset", "-c", CLIENT_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency"]
    for field in fields:
        command += ["-H", field]
    if script:
        command += ["-s", script]
    before = subject.cpu()
    out = subprocess.run([*command, subject.url(path)], capture_output=True, text=True, check=True).stdout
    used = subject.cpu() - before
    requests = int(re.findall(r"(\d+) requests in", out)[0])
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    if bad:
        print(f"  ! {subject.name} {path}: {bad[1]} answers were errors", file=sys.stderr)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", out)
    assert p99 is not None
    return {
        "rate": requests / seconds,
        "cpu": used / requests * 1e6,
        "busy": used / seconds,
        "p99": float(p99[1]) * {"us": 0.001, "ms": 1, "s": 1000}[p99[2]],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--only", default="", help="only shapes whose name has this in it")
    parser.add_argument("--slow", action="store_true", help="also measure our server without its direct path")
    parser.add_argument("--certs", default="", help=argparse.SUPPRESS)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--no-fast", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, not options.no_fast, options.certs)
        return
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed")
    folder = tempfile.mkdtemp(prefix="bench-http-")
    subjects: list[Subject] = []

    def ours(name: str, port: int, *more: str) -> Subject:
        command = ["taskset", "-c", SERVER_CORE, sys.executable, str(HERE), "--serve", str(port), *more]
        subjects.append(Subject(name, port, subprocess.Popen(command)))
        return subjects[-1]

    try:
        cackled = ours("cackled", 18480)
        measured = [cackled]
        if options.slow:
            measured.append(ours("no direct path", 18482, "--no-fast"))
        if shutil.which("nginx"):
            conf = Path(folder, "nginx.conf")
            user = "user root;" if os.getuid() == 0 else ""
            conf.write_text(NGINX.format(dir=folder, port=18481, backend=18480, user=user, proxy=PROXY))
            command = ["taskset", "-c", SERVER_CORE, "nginx", "-p", folder, "-c", str(conf)]
            nginx = Subject("nginx", 18481, subprocess.Popen(command, stderr=subprocess.DEVNULL))
            subjects.append(nginx)
            measured.append(nginx)
        else:
            print("nginx is not installed: no comparison", file=sys.stderr)
        scripts = {}
        for name, line in (("any", ANY_PAIR), ("new", NEW_HEADS), ("pollers", POLLERS)):
            scripts[name] = str(Path(folder, name + ".lua"))
            Path(scripts[name]).write_text(LUA_URLS % line)
        shapes = [
            ("2 KB, one URL, c64", "/c2", 64, "", ()),
            ("20 KB, one URL, c64", "/c20", 64, "", ()),
            ("500 browsers, each its URL, c64", "/many", 64, scripts["pollers"], ()),
            ("1000 URLs x 500 heads, c64", "/many", 64, scripts["any"], ()),
            ("1000 URLs, heads never seen, c64", "/many", 64, scripts["new"], ()),
            ("200 KB bundle, c32", "/c200", 32, "", ()),
            ("a connection per request, c16", "/c2", 16, "", ("Connection: close",)),
        ]
        print(f"{'':34}{'':16}{'CPU us/req':>11}{'requests/s':>12}{'p99 ms':>8}{'core':>6}{'CPU, nginx = 1':>16}")
        for name, path, connections, script, fields in shapes:
            if options.only not in name:
                continue
            results = {}
            for subject in measured:
                # Many URLs take a while until all are loaded.
                wrk(subject, path, connections, 5 if script else 1, script, *fields)
                results[subject.name] = wrk(subject, path, connections, options.seconds, script, *fields)
            base = results.get("nginx")
            for who, result in results.items():
                if "200 KB" in name:
                    print(f"  {who}: {204800 * 8 / result['cpu'] / 1e3:.1f} Gbit/s per core")
                ratio = f"{result['cpu'] / base['cpu']:.2f}" if base else ""
                print(
                    f"{name:34}{who:16}{result['cpu']:11.1f}{result['rate']:12.0f}{result['p99']:8.2f}"
                    f"{result['busy']:6.0%}{ratio:>16}"
                )
                name = ""
    finally:
        for subject in reversed(subjects):
            subject.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
