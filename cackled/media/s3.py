"""Files in storage that speaks Amazon's S3: signed requests over the reactor.

Keys are made from hashes of contents, so writing one twice does no harm: the condition that there be none yet
(``If-None-Match: *``) only saves the transfer, and is left out for servers that do not know it.
Source: the S3 API reference; requests are signed by botocore (Signature Version 4).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from hashlib import md5
from html import unescape
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from cackled.clock import sleep
from cackled.config import ConfigError, MediaS3
from cackled.media.image_workers import File

# Seconds for one request, attempts in all, and before the second one.
SECONDS, ATTEMPTS, PAUSE = 30.0, 4, 0.2
# Files above this go in parts of this size (S3 allows no smaller ones but the last).
PART = 8 * 1_048_576
MULTIPART_FROM = 5 * 1_048_576
# Bytes of an answer that is no file.
MOST_TEXT = 4 * 1_048_576
# What a server says for a while: the same again may work.
_AGAIN = frozenset((409, 429, 500, 502, 503, 504))
_CODE = re.compile(rb"<Code>([A-Za-z0-9]{1,60})</Code>")
_UPLOAD = re.compile(rb"<UploadId>([^<]{1,2000})</UploadId>")
_KEY = re.compile(rb"<Key>([^<]{1,2000})</Key>")
_MORE = re.compile(rb"<NextContinuationToken>([^<]{1,2000})</NextContinuationToken>")


class S3Error(OSError):
    """The storage refused, or did not answer as it should; the message has no secret."""


class S3Origin:
    """Files at ``PREFIX SITE/ab/abcd../NAME`` of a bucket.

    Raises:
        ConfigError: the address, the key's file, or botocore is missing.
    """

    def __init__(self, settings: MediaS3, reactor: Any, in_thread: Callable[..., Awaitable[Any]]) -> None:
        if not settings.endpoint or not settings.bucket or not settings.access_key or not settings.secret_key_file:
            raise ConfigError("[media_s3] needs endpoint, bucket, access_key and secret_key_file")
        try:
            secret = Path(settings.secret_key_file).read_text("utf-8-sig").strip()
        except OSError as error:
            raise ConfigError(f"[media_s3] secret_key_file: {error.strerror}") from None
        scheme, _, host = settings.endpoint.rstrip("/").partition("://")
        self._base = f"{scheme}://{host}/{settings.bucket}" if settings.path_style else (
            f"{scheme}://{settings.bucket}.{host}"
        )  # fmt: skip
        self._prefix = settings.prefix
        self._reactor = reactor
        self._in_thread = in_thread
        self._sign = _signer(settings.access_key, secret, settings.region)
        self._agent: Any = None
        # Whether the server knows the condition.
        self._conditional = True

    def _key(self, site: int, digest: bytes, name: str = "") -> str:
        text = digest.hex()
        return f"{self._prefix}{site}/{text[:2]}/{text}/{name}"

    # As Origin says

    async def put(self, site: int, digest: bytes, files: Sequence[File]) -> None:
        """As `Origin` says."""
        for one in files:
            key = self._key(site, digest, one.name)
            if len(one.body) > MULTIPART_FROM:
                await self._put_parts(key, one.body)
            else:
                await self._put("PUT", key, "", one.body)

    async def get(self, site: int, digest: bytes, name: str) -> bytes | None:
        """As `Origin` says."""
        return await self._get(self._key(site, digest, name), {}, 1 << 30)

    async def read(self, site: int, digest: bytes, name: str, start: int, length: int) -> bytes | None:
        """As `Origin` says."""
        wanted = {"Range": f"bytes={start}-{start + length - 1}"}
        return await self._get(self._key(site, digest, name), wanted, length)

    async def remove(self, site: int, digest: bytes) -> None:
        """As `Origin` says."""
        prefix, more = self._key(site, digest), ""
        while True:
            query = f"list-type=2&prefix={quote(prefix, safe='')}" + (f"&continuation-token={more}" if more else "")
            status, body = await self._ask("GET", "", query, {}, b"", MOST_TEXT)
            if status != 200:
                raise _refused("list", status, body)
            for key in _KEY.findall(body):
                status, answer = await self._ask("DELETE", unescape(key.decode()), "", {}, b"", MOST_TEXT)
                if status not in (200, 204, 404):
                    raise _refused("delete", status, answer)
            found = _MORE.search(body)
            if found is None:
                return
            more = quote(unescape(found[1].decode()), safe="")

    # Requests

    async def _get(self, key: str, headers: dict[str, str], most: int) -> bytes | None:
        status, body = await self._ask("GET", key, "", headers, b"", max(most, MOST_TEXT))
        if status == 404 and _code(body) != "NoSuchBucket":
            return None
        if status == 416:
            return b""
        if status == 200 and "Range" in headers:
            # The server knows no ranges, and gave all.
            first, last = (int(one) for one in headers["Range"][6:].split("-"))
            return body[first : last + 1]
        if status not in (200, 206):
            raise _refused("read", status, body)
        return body

    async def _put(self, method: str, key: str, query: str, body: bytes) -> bytes:
        """Write on the condition that there is nothing, where the server knows that; gives the answer."""
        for conditional in (True, False) if self._conditional else (False,):
            headers = {"If-None-Match": "*"} if conditional else {}
            status, answer = await self._ask(method, key, query, headers, body, MOST_TEXT)
            if status == 412 and conditional:
                # It is there.
                return b""
            if conditional and status in (400, 501) and _code(answer) in ("NotImplemented", "InvalidArgument", ""):
                self._conditional = False
                continue
            if status not in (200, 201, 204) or b"<Error>" in answer:
                raise _refused("write", status, answer)
            return answer
        raise AssertionError("unreachable")

    async def _put_parts(self, key: str, body: bytes) -> None:
        status, answer = await self._ask("POST", key, "uploads=", {}, b"", MOST_TEXT)
        found = _UPLOAD.search(answer)
        if status != 200 or found is None:
            raise _refused("begin to write", status, answer)
        upload = f"uploadId={quote(unescape(found[1].decode()), safe='')}"
        try:
            parts = []
            for number, place in enumerate(range(0, len(body), PART), 1):
                part = body[place : place + PART]
                status, answer = await self._ask("PUT", key, f"partNumber={number}&{upload}", {}, part, MOST_TEXT)
                if status != 200:
                    raise _refused("write a part", status, answer)
                # The tag of a part is the MD5 of it, as the protocol has it.
                tag = md5(part, usedforsecurity=False).hexdigest()
                parts.append(f'<Part><PartNumber>{number}</PartNumber><ETag>"{tag}"</ETag></Part>')
            whole = f"<CompleteMultipartUpload>{''.join(parts)}</CompleteMultipartUpload>".encode()
            if await self._put("POST", key, upload, whole) == b"":
                await self._abort(key, upload)
        except BaseException:
            await self._abort(key, upload)
            raise

    async def _abort(self, key: str, upload: str) -> None:
        try:
            await self._ask("DELETE", key, upload, {}, b"", MOST_TEXT)
        except OSError:
            pass  # The bucket's own rules remove what was never completed.

    async def _ask(
        self, method: str, key: str, query: str, headers: dict[str, str], body: bytes, most: int
    ) -> tuple[int, bytes]:
        """Status and body of the answer; tried again where that may help.

        Raises:
            S3Error: no answer, or none that is whole.
        """
        url = f"{self._base}/{quote(key)}" + (f"?{query}" if query else "")
        for attempt in range(1, ATTEMPTS + 1):
            try:
                work = Deferred.fromCoroutine(self._once(method, url, headers, body, most))
                status, answer = await work.addTimeout(SECONDS, self._reactor, onTimeoutCancel=_late)
                if status not in _AGAIN or attempt == ATTEMPTS:
                    return status, answer
            except S3Error:
                raise
            except CancelledError:
                raise
            except Exception as error:
                if attempt == ATTEMPTS:
                    raise S3Error(f"the storage of files can't be reached: {_reason(error)}") from None
            await sleep(self._reactor, PAUSE * 2 ** (attempt - 1))
        raise AssertionError("unreachable")

    async def _once(
        self, method: str, url: str, headers: dict[str, str], body: bytes, most: int
    ) -> tuple[int, bytes]:
        # Hashing a large body takes a while.
        sign = self._in_thread(self._sign, method, url, headers, body) if len(body) > 65_536 else None
        signed = self._sign(method, url, headers, body) if sign is None else await sign
        from twisted.web.client import Agent, FileBodyProducer, HTTPConnectionPool
        from twisted.web.http_headers import Headers

        if self._agent is None:
            pool = HTTPConnectionPool(self._reactor)
            pool.maxPersistentPerHost = 8
            pool.cachedConnectionTimeout = 30
            self._pool = pool
            self._agent = Agent(self._reactor, connectTimeout=5.0, pool=pool)
        given = Headers({name: [value] for name, value in signed.items()})
        producer = FileBodyProducer(BytesIO(body)) if method in ("PUT", "POST") else None
        answer = await self._agent.request(method.encode("ascii"), url.encode("ascii"), given, producer)
        collected = _Collected(most)
        answer.deliverBody(collected)
        return int(answer.code), await collected.done

    async def close(self) -> None:
        """Close the connections that are kept."""
        if self._agent is not None:
            await self._pool.closeCachedConnections()


class _Collected(Protocol):
    """A body of at most so many bytes, which has to come to its end."""

    def __init__(self, most: int) -> None:
        self._parts: list[bytes] = []
        self._left = most
        self.done: Deferred[bytes] = Deferred(lambda _: self._stop())

    def _stop(self) -> None:
        # What stands for the transport here knows no other way.
        if self.transport is not None:
            self.transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        """Keep it."""
        self._left -= len(data)
        if self._left < 0:
            if not self.done.called:
                self.done.errback(S3Error("the storage of files answers at too great a length"))
                self._stop()
            return
        self._parts.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The body ends."""
        from twisted.web.client import ResponseDone

        if self.done.called:
            return
        if reason.check(ResponseDone):
            self.done.callback(b"".join(self._parts))
        else:
            self.done.errback(Failure(OSError("an answer broke off")))


def _signer(access: str, secret: str, region: str) -> Callable[[str, str, dict[str, str], bytes], dict[str, str]]:
    """What signs a request; gives its headers."""
    try:
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials
    except ImportError:
        raise ConfigError('[media] origin = "s3" needs botocore: pip install "cackled[s3]"') from None
    auth = S3SigV4Auth(Credentials(access, secret), "s3", region)

    def sign(method: str, url: str, headers: dict[str, str], body: bytes) -> dict[str, str]:
        request = AWSRequest(method=method, url=url, headers=dict(headers), data=body)
        auth.add_auth(request)
        return {str(name): str(value) for name, value in request.headers.items()}

    return sign


def _late(result: Any, seconds: float) -> Any:
    raise S3Error(f"the storage of files does not answer within {seconds:g} s")


def _code(body: bytes) -> str:
    found = _CODE.search(body)
    return found[1].decode() if found else ""


def _refused(what: str, status: int, body: bytes) -> S3Error:
    return S3Error(f"the storage of files refused to {what}: {status} {_code(body)}".rstrip())


def _reason(error: BaseException) -> str:
    inner = getattr(error, "reasons", None)
    if inner and isinstance(inner[0], Failure) and inner[0].value is not None:
        error = inner[0].value
    return " ".join(str(error).split())[:200] or type(error).__name__
