"""Nothing that a stranger sends makes a traceback, or fills the log."""

from __future__ import annotations

import base64
import json
import random
import socket
import struct
import time

from tests.support.faults import SUB, FaultCase
from tests.support.journal import client_frame

PATHS = (
    "/", "/demo", "/widget.js", "/widget/x/y", "/bootstrap", "/bootstrap?widget=Comment&site=1&channel=demo",
    "/healthz", "/bootstrap?site=99999999999999999999",
    "/bootstrap?widget=Comment&site=1&channel=%00%ff&size=-1&cursor=%F0",
    "/bootstrap?widget=Comment&site=1&channel=demo&me=1.2.3", "/api/v1/sites/1/comments", "/api/v1/openapi.json",
    "/api/v1/sites/1/comments?channel=demo&cursor=AAAA&sort=worst", "/api/v1/sites/1/comments/9223372036854775808",
    "/api/v1/sites/1/comments/1/vote", "/api/v1/sites/0/sessions", "/api/v1/sites/1/sessions",
    "/api/v1/sites/1/blocks", "/api/v1/sites/1/blocks/1", "/api/v1/%ff%fe", "/rt/ws", "/rt/sse", "/rt/poll",
    "/rt/ws?sub=1/2@-5", "/rt/sse?sub=1/99999999999999999999@1", "/rt/poll?sub=1/5@3&wait=nan",
    "/rt/poll?sub=1/5&wait=1e999", "/../../etc/passwd", "/readyz", "/metrics", "/%", "/?" + "a=b&" * 300,
    "//evil.example/", "*", "http://evil.example/",
)  # fmt: skip
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "CONNECT", "BREW", "get", "")
FIELDS = (
    "Host: evil.example", "Host: ", "Host: localhost\r\nHost: localhost", "Content-Length: -1",
    "Content-Length: 99999999999", "Content-Length: 3", "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked", "Expect: 100-continue", "Authorization: Bearer x.y.z",
    "Authorization: Basic %%%", "Authorization: Bearer " + "A" * 3000, "Cookie: _mcnc=1; \x00",
    "Connection: Upgrade\r\nUpgrade: websocket", "Sec-WebSocket-Key: short", "Origin: null", "Origin: http://[::1",
    "Idempotency-Key: \xff", "Idempotency-Key: " + "k" * 500, "Last-Event-ID: 1/2@3 x", "If-None-Match: W/\"",
    " folded: yes", "X-Forwarded-For: not, an, address", "Accept-Encoding: br;q=2, *;q=x", "Range: bytes=9-1",
    "A: " + "b" * 9000, "NoColon",
)  # fmt: skip
BODIES = (
    b"", b"{}", b"[]", b"null", b"{", b"\xff\xfe", b'{"text":1}', b'{"text":"' + b"<div>" * 3000 + b'"}',
    b"[" * 5000, b'{"channel":{"key":"\\ud800"},"text":"\\u0000","name":"\\ud83d"}', b'{"value":7}',
    b"5\r\nhello\r\nzz\r\n", b"0\r\n\r\n",
    b'{"channel":{"key":"k","url":"javascript:1","title":"t"},"text":"a","name":"b","parent":"-1"}',
)  # fmt: skip

NAMES = (
    b"\x06cackle\x04test\0", b"\x03www\x06cackle\x04test\0", b"\xc0\x0c", b"\x3f" + b"a" * 63 + b"\0", b"\x40aa\0",
    b"\0", b"\x01\xff" * 130 + b"\0", b"\x03www", b"",
)  # fmt: skip


class StrangerTests(FaultCase):
    """Seeded garbage on every port of the real daemon."""

    def test_garbage_on_every_port(self) -> None:
        """Afterwards the log has no traceback and stays small, and the daemon serves as before."""
        daemon = self.run_daemon()
        self.random = random.Random(20)
        self.sent = 0
        size = len(daemon.log())
        token = self.visitor.token
        for _ in range(400):
            self.talk(daemon.port, self.request(token))
        for _ in range(120):
            self.talk(daemon.port, self.upgrade() + self.frames())
        for port in (daemon.admin_port, daemon.manhole_port, daemon.dns_port):
            for _ in range(40):
                self.talk(port, self.garbage(port))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(udp.close)
        for _ in range(600):
            udp.sendto(self.dns(), ("127.0.0.1", daemon.dns_port))
            self.sent += 1
        time.sleep(0.5)
        answer = self.visitor.post("page", "still here")
        self.assertEqual(answer.status, 201, answer.body)
        self.assertTrue(answer.json()["position"].startswith(SUB))
        grown = len(daemon.log()) - size
        self.assert_quiet_log()
        self.assertEqual(daemon.stop(), 0)
        self.assert_quiet_log()
        self.tell(sent=self.sent, log_bytes=grown)

    def talk(self, port: int, data: bytes) -> None:
        """Send it on a connection of its own; leave in one of several ways."""
        self.sent += 1
        held = socket.create_connection(("127.0.0.1", port), timeout=10)
        try:
            cut = self.random.randrange(len(data) + 1) if self.random.random() < 0.2 else len(data)
            held.sendall(data[:cut])
            way = self.random.randrange(4)
            if way == 0:
                held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif way == 1:
                held.shutdown(socket.SHUT_WR)
            if way:
                held.settimeout(0.02)
                held.recv(65536)
        except OSError:
            pass  # it hung up, or had nothing to say
        finally:
            held.close()

    def request(self, token: str) -> bytes:
        """Something like an HTTP request."""
        pick = self.random
        body = pick.choice(BODIES)
        fields = [pick.choice(FIELDS) for _ in range(pick.randrange(4))]
        if pick.random() < 0.8:
            fields.insert(0, "Host: localhost")
        if pick.random() < 0.5:
            fields += [f"Content-Length: {len(body)}", "Content-Type: application/json"]
        if pick.random() < 0.5:
            fields.append(f"Authorization: Bearer {token}")
        version = pick.choice(("HTTP/1.1",) * 8 + ("HTTP/1.0", "HTTP/2.0", "HTTP/0.9", "HTCPCP/1.0"))
        head = f"{pick.choice(METHODS)} {pick.choice(PATHS)} {version}\r\n" + "".join(f"{one}\r\n" for one in fields)
        return head.encode("latin-1") + b"\r\n" + body

    def upgrade(self) -> bytes:
        """A right handshake."""
        key = base64.b64encode(self.random.randbytes(16)).decode()
        return (
            f"GET /rt/ws?sub={SUB}@0 HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: cackle.v1\r\n\r\n"
        ).encode()

    def frames(self) -> bytes:
        """Frames that are wrong in form or in content."""
        pick = self.random
        texts = (
            b"", b"{}", b"[]", b"\xff", b'{"type":"sub"}', b'{"type":"sub","sub":7}',
            b'{"type":"sub","sub":"1/x@y"}', b'{"type":"unsub","sub":"1/2"}',
            b'{"type":"typing","sub":"1/2","name":null}', b'{"type":"ping","x":1}',
            json.dumps({"type": "typing", "sub": SUB, "name": "\ud800"}).encode(), b'{"type":' + b"[" * 100,
            pick.randbytes(60),
        )  # fmt: skip
        wrong = (
            b"\x81\x05hello", b"\xc1\x80\0\0\0\0", b"\x83\x80\0\0\0\0", b"\x09\x80\0\0\0\0",
            b"\x89\xfe\x00\x7e\0\0\0\0", b"\x81\xff" + b"\xff" * 8 + b"\0\0\0\0",
            b"\x81\xff\0\0\0\0\0\x10\0\0\0\0\0\0", b"\x88\x81\0\0\0\0\0", b"\x80\x80\0\0\0\0",
            b"\x88\x82\0\0\0\0\x03\xed", pick.randbytes(40), b"\x01\x81\0\0\0\0a" * 200,
        )  # fmt: skip
        many = pick.randrange(1, 5)
        return b"".join(
            client_frame(pick.choice((1, 1, 1, 2, 9, 10)), pick.choice(texts)[:125]) if pick.random() < 0.6
            else pick.choice(wrong) for _ in range(many)
        )  # fmt: skip

    def garbage(self, port: int) -> bytes:
        """What the other listeners do not expect."""
        pick = self.random
        if port == self.daemon.manhole_port:
            return pick.choice(
                (
                    b"\xff\xfd\x18\xff\xfa\x18\x00" + pick.randbytes(50) + b"\xff\xf0",
                    b"admin\r\nwrong\r\n" * 3,
                    b"\xff" * 500,
                    b"\xff\xfa" + b"A" * 5000,
                    pick.randbytes(300),
                    b"\r\n" * 200,
                    b"\x1b[" + b"9" * 200 + b"A\x00\x03\x04\x1a",
                )
            )
        if port == self.daemon.dns_port:
            packet = self.dns()
            return pick.choice((struct.pack(">H", len(packet)), struct.pack(">H", pick.randrange(65536)), b"")) + packet
        return pick.choice(
            (
                self.request("x"),
                b"POST /admin/command HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}",
                b"GET /metrics?" + b"x" * 20000 + b" HTTP/1.1\r\n\r\n",
                pick.randbytes(100),
            )
        )

    def dns(self) -> bytes:
        """Something like a query."""
        pick = self.random
        flags = pick.choice((0, 0x100, 0x8000, 0x7800, 0x200))
        counts = (pick.choice((1, 1, 1, 0, 2, 65535)), 0, 0, pick.choice((0, 1, 1, 9)))
        head = struct.pack(">HHHHHH", pick.randrange(65536), flags, *counts)
        kind, klass = pick.choice((1, 28, 255, 252, 251, 41, 65535)), pick.choice((1, 3, 255))
        question = pick.choice(NAMES) + struct.pack(">HH", kind, klass)
        option = pick.choice(
            (
                b"",
                pick.randbytes(12),
                struct.pack(">HHHBB", 8, 7, pick.choice((1, 2, 9)), 24, 0) + b"\x7f\0\0",
                struct.pack(">HH", 10, 8) + pick.randbytes(8),
                struct.pack(">HH", 10, 60),
            )
        )
        size, more = pick.choice((0, 512, 4096)), pick.choice((0, 0x8000, 0x10000))
        opt = b"\0" + struct.pack(">HHIH", 41, size, more, len(option)) + option
        packet = head + question + opt
        if pick.random() < 0.3:
            packet = packet[: pick.randrange(len(packet))]
        return packet
