"""A small server that speaks as much of S3 as is used, checks every signature by itself, and fails as a test says."""

from __future__ import annotations

import hmac
from hashlib import md5, sha256
from typing import Any
from urllib.parse import parse_qsl, quote

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

ACCESS, SECRET, REGION = "AKTEST", "a secret of 40 characters, or about that", "eu-test-1"


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), sha256).digest()


def signature(method: str, path: str, query: str, headers: dict[str, str], signed: str, scope: str, time: str) -> str:
    """Signature Version 4, as its documentation has it."""
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~"))
                   for name, value in parse_qsl(query, keep_blank_values=True))  # fmt: skip
    canonical = "\n".join((
        method, path, "&".join(f"{name}={value}" for name, value in pairs),
        *(f"{name}:{' '.join(headers[name].split())}" for name in signed.split(";")), "", signed,
        headers["x-amz-content-sha256"],
    ))  # fmt: skip
    date, region, service, _ = scope.split("/")
    key = _hmac(_hmac(_hmac(_hmac(b"AWS4" + SECRET.encode(), date), region), service), "aws4_request")
    text = "\n".join(("AWS4-HMAC-SHA256", time, scope, sha256(canonical.encode()).hexdigest()))
    return hmac.new(key, text.encode(), sha256).hexdigest()


class Bucket(Resource):
    """The bucket ``test``: ``objects`` by key; ``fail`` lists statuses that the next requests get instead."""

    isLeaf = True

    def __init__(self, reactor: Any) -> None:
        super().__init__()
        self.reactor = reactor
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.requests: list[str] = []
        self.fail: list[tuple[int, str]] = []
        self.knows_conditions = True
        self.knows_ranges = True
        self.cut = 0
        self.silent = False
        self.page = 1_000

    def render(self, request: Any) -> Any:
        """Answer; 403 where the signature is wrong."""
        method, path = request.method.decode(), request.path.decode()
        _, _, query = request.uri.decode().partition("?")
        self.requests.append(f"{method} {path}{'?' if query else ''}{query}")
        raw = request.requestHeaders.getAllRawHeaders()
        headers = {name.decode().lower(): values[0].decode() for name, values in raw}
        body = request.content.read()
        if self.silent:
            return NOT_DONE_YET
        status, answer = self.checked(method, path, query, headers, body)
        request.setResponseCode(status)
        if self.cut and method == "GET" and status < 300:
            cut, self.cut = self.cut, 0
            request.setHeader(b"content-length", b"%d" % len(answer))
            request.write(answer[:-cut])
            gone: Deferred[None] = deferLater(self.reactor, 0.01, request.transport.abortConnection)
            gone.addErrback(lambda _: None)
            request.notifyFinish().addErrback(lambda _: None)
            return NOT_DONE_YET
        return answer

    def checked(self, method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """What is answered."""
        given = dict(part.strip().split("=", 1) for part in headers.get("authorization", "")[17:].split(",") if part)
        scope = given.get("Credential", "").partition("/")
        if scope[0] != ACCESS or not scope[2].endswith(f"/{REGION}/s3/aws4_request"):
            return 403, error("InvalidAccessKeyId")
        if headers["x-amz-content-sha256"] != sha256(body).hexdigest():
            return 400, error("XAmzContentSHA256Mismatch")
        made = signature(method, path, query, headers, given["SignedHeaders"], scope[2], headers["x-amz-date"])
        if made != given["Signature"] or "host" not in given["SignedHeaders"]:
            return 403, error("SignatureDoesNotMatch")
        if self.fail:
            status, code = self.fail.pop(0)
            return status, error(code)
        if not path.startswith("/test/"):
            return 404, error("NoSuchBucket")
        return self.answer(method, path[6:], dict(parse_qsl(query, keep_blank_values=True)), headers, body)

    def answer(
        self, method: str, key: str, query: dict[str, str], headers: dict[str, str], body: bytes
    ) -> tuple[int, bytes]:
        """As S3 does."""
        if method == "GET" and "list-type" in query:
            keys = sorted(one for one in self.objects if one.startswith(query["prefix"]))
            begin = int(query.get("continuation-token", "0"))
            more = begin + self.page < len(keys)
            token = f"<NextContinuationToken>{begin + self.page}</NextContinuationToken>" if more else ""
            listed = "".join(f"<Contents><Key>{one}</Key></Contents>" for one in keys[begin : begin + self.page])
            return 200, f"<ListBucketResult>{listed}{token}</ListBucketResult>".encode()
        if method == "GET":
            found = self.objects.get(key)
            if found is None:
                return 404, error("NoSuchKey")
            if "range" not in headers or not self.knows_ranges:
                return 200, found
            first, last = (int(one) for one in headers["range"][6:].split("-"))
            return (206, found[first : last + 1]) if first < len(found) else (416, error("InvalidRange"))
        if "if-none-match" in headers:
            if not self.knows_conditions:
                return 501, error("NotImplemented")
            if key in self.objects:
                return 412, error("PreconditionFailed")
        if method == "POST" and "uploads" in query:
            number = f"up/{len(self.requests)}+x"
            self.uploads[number] = {}
            return 200, f"<R><UploadId>{number}</UploadId></R>".encode()
        if "uploadId" in query:
            return self.part(method, key, query, body)
        if method == "PUT":
            self.objects[key] = body
            return 200, b""
        self.objects.pop(key, None)
        return 204, b""

    def part(self, method: str, key: str, query: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """Of an upload in parts."""
        parts = self.uploads.get(query["uploadId"])
        if parts is None:
            return 404, error("NoSuchUpload")
        if method == "PUT":
            parts[int(query["partNumber"])] = body
            return 200, b""
        del self.uploads[query["uploadId"]]
        if method == "DELETE":
            return 204, b""
        if any(len(one) < 5 * 1_048_576 for number, one in parts.items() if number < len(parts)):
            return 400, error("EntityTooSmall")
        for number, one in parts.items():
            tag = md5(one).hexdigest()
            if f'<PartNumber>{number}</PartNumber><ETag>"{tag}"' not in body.decode():
                return 400, error("InvalidPart")
        self.objects[key] = b"".join(parts[number] for number in sorted(parts))
        return 200, b"<CompleteMultipartUploadResult/>"


def error(code: str) -> bytes:
    """How S3 says that something is wrong."""
    return f"<Error><Code>{code}</Code></Error>".encode()


class S3Server:
    """A `Bucket` on a port of loopback."""

    def __init__(self, reactor: Any) -> None:
        self.bucket = Bucket(reactor)
        self._site = Site(self.bucket)
        self._site.noisy = False
        self._port = reactor.listenTCP(0, self._site, interface="127.0.0.1")
        self.endpoint = f"http://127.0.0.1:{self._port.getHost().port}"

    async def stop(self) -> None:
        """Stop listening."""
        await self._port.stopListening()
