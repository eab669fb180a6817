"""Storage that speaks S3: a strict small server, one that many use for tests, and pictures over the whole way."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from cackled.config import ConfigError, MediaS3
from cackled.media import s3
from cackled.media.image_workers import File
from cackled.media.resource import Gallery
from cackled.media.s3 import S3Error, S3Origin
from cackled.media.sweeping import Sweeping
from tests.api.common import ORIGIN, ApiCase
from tests.media import corpus
from tests.media.test_media import MediaCase
from tests.support.daemon import free_ports
from tests.support.s3 import ACCESS, REGION, SECRET, S3Server

DIGEST = bytes(range(32))
clock: Any = reactor


def files(size: int = 10) -> list[File]:
    """Two files."""
    return [File("320.webp", "image/webp", 1, 1, os.urandom(size)), File("mail.jpg", "image/jpeg", 1, 1, b"two")]


class S3Case(TestCase):
    """A bucket."""

    timeout = 120
    if find_spec("botocore") is None:
        skip = "botocore is not installed"

    def setUp(self) -> None:
        """Listen on any port."""
        self.server = S3Server(clock)
        self.addCleanup(self.server.stop)
        self.bucket = self.server.bucket
        self.patch(s3, "PAUSE", 0.01)
        self.origin = self.made()

    def made(self, **more: Any) -> S3Origin:
        """An origin in that bucket."""
        secret = Path(self.mktemp())
        secret.write_text(SECRET + "\n")
        given = {
            "endpoint": self.server.endpoint, "bucket": "test", "region": REGION, "access_key": ACCESS,
            "secret_key_file": str(secret), "prefix": "some/where/", **more,
        }  # fmt: skip
        origin = S3Origin(MediaS3(**given), clock, deferToThread)
        self.addCleanup(origin.close)
        return origin

    async def refused(self, work: Any) -> str:
        """What is said where something fails."""
        error = await self.assertFailure(Deferred.fromCoroutine(work), S3Error)
        self.assertNotIn(SECRET[:10], str(error))
        return str(error)


class BucketTests(S3Case):
    """Against the strict server."""

    async def test_kept(self) -> None:
        """Written, read whole and in part, written again, removed; of each site its own."""
        one, two = files()
        await self.origin.put(1, DIGEST, [one, two])
        await self.origin.put(1, DIGEST, [one, two])
        self.assertEqual(len(self.bucket.objects), 2)
        self.assertTrue(all(key.startswith(f"some/where/1/00/{DIGEST.hex()}/") for key in self.bucket.objects))
        self.assertEqual(await self.origin.get(1, DIGEST, one.name), one.body)
        self.assertEqual(await self.origin.read(1, DIGEST, one.name, 2, 3), one.body[2:5])
        self.assertEqual(await self.origin.read(1, DIGEST, one.name, 8, 30), one.body[8:])
        self.assertEqual(await self.origin.read(1, DIGEST, one.name, 30, 3), b"")
        self.assertIsNone(await self.origin.get(2, DIGEST, one.name))
        await self.origin.put(2, DIGEST, [two])
        self.bucket.page = 1
        await self.origin.remove(1, DIGEST)
        await self.origin.remove(1, DIGEST)
        self.assertEqual(list(self.bucket.objects), [f"some/where/2/00/{DIGEST.hex()}/mail.jpg"])

    async def test_parts(self) -> None:
        """A large file goes in parts, once; one that fails leaves no upload behind."""
        large = files(s3.PART * 2 + 7)[:1]
        await self.origin.put(1, DIGEST, large)
        self.assertTrue(next(iter(self.bucket.objects.values())) == large[0].body)
        await self.origin.put(1, DIGEST, large)
        self.assertEqual(self.bucket.uploads, {})
        self.bucket.objects.clear()
        whole = self.bucket.part

        def part(method: str, key: str, query: dict[str, str], body: bytes) -> tuple[int, bytes]:
            return (403, b"<Error><Code>AccessDenied</Code></Error>") if query.get("partNumber") == "2" else whole(
                method, key, query, body
            )  # fmt: skip

        self.patch(self.bucket, "part", part)
        self.assertIn("AccessDenied", await self.refused(self.origin.put(1, DIGEST, large)))
        self.assertEqual((self.bucket.uploads, self.bucket.objects), ({}, {}))

    async def test_conditions(self) -> None:
        """A server that knows no conditions, or no ranges, is used without them; it is asked once."""
        self.bucket.knows_conditions = self.bucket.knows_ranges = False
        one, two = files()
        await self.origin.put(1, DIGEST, [one, two])
        self.assertEqual(len(self.bucket.requests), 3)
        self.assertEqual(await self.origin.read(1, DIGEST, one.name, 2, 3), one.body[2:5])

    async def test_fails_for_a_while(self) -> None:
        """What a server says for a while is tried again, and so is an answer that broke off."""
        one = files()[0]
        self.bucket.fail = [(503, "SlowDown"), (409, "ConditionalRequestConflict"), (500, "InternalError")]
        await self.origin.put(1, DIGEST, [one])
        self.bucket.cut = 4
        self.assertEqual(await self.origin.get(1, DIGEST, one.name), one.body)
        self.bucket.fail = [(503, "SlowDown")] * s3.ATTEMPTS
        self.assertIn("503 SlowDown", await self.refused(self.origin.get(1, DIGEST, one.name)))

    async def test_refused(self) -> None:
        """Wrong keys, no bucket, nobody there, no answer: each is an error that says so."""
        one = files()[0]
        wrong = Path(self.mktemp())
        wrong.write_text("another secret")
        other = self.made(secret_key_file=str(wrong))
        self.assertIn("403 SignatureDoesNotMatch", await self.refused(other.put(1, DIGEST, [one])))
        self.assertIn("403", await self.refused(self.made(access_key="X").get(1, DIGEST, "a")))
        self.assertIn("NoSuchBucket", await self.refused(self.made(bucket="none").get(1, DIGEST, "a")))
        self.assertIn("reached", await self.refused(self.made(endpoint="http://127.0.0.1:1").get(1, DIGEST, "a")))
        self.patch(s3, "SECONDS", 0.2)
        self.bucket.silent = True
        self.assertIn("does not answer", await self.refused(self.origin.get(1, DIGEST, "a")))

    def test_settings(self) -> None:
        """What is missing is said before anything is served."""
        for more in ({"bucket": ""}, {"access_key": ""}, {"secret_key_file": "/nowhere"}, {"endpoint": ""}):
            self.assertRaises(ConfigError, self.made, **more)


class PicturesTests(MediaCase):
    """A daemon whose pictures are there."""

    if find_spec("botocore") is None:
        skip = "botocore is not installed"

    async def setUp(self) -> None:
        self.server = S3Server(clock)
        self.addCleanup(self.server.stop)
        secret = Path(self.mktemp()).absolute()
        secret.write_text(SECRET)
        self.toml = (
            f'{ApiCase.toml}[media]\norigin = "s3"\n[media_s3]\nendpoint = "{self.server.endpoint}"\nbucket = "test"\n'
            f'region = "{REGION}"\naccess_key = "{ACCESS}"\nsecret_key_file = "{secret}"\n'
        )
        await super().setUp()

    async def close(self) -> None:
        """The connections that are kept, too."""
        shared: Any = self.application.shared
        for origin in (self.media()._origin, shared[Gallery]._files._origin, shared[Sweeping]._origin):
            await origin.close()
        await super().close()

    async def test_pictures(self) -> None:
        """Added, served, served from this node's disk while the storage is away, and removed from both."""
        made = await self.added(corpus.picture())
        bucket = self.server.bucket
        self.assertEqual(len(bucket.objects), 5)
        for one in made["files"][:2]:
            answer = await self.ask("GET", one["src"])
            self.assertEqual((answer.status, answer.body in bucket.objects.values()), (200, True))
        bucket.fail = [(403, "AccessDenied")] * 100
        self.assertEqual((await self.ask("GET", made["files"][0]["src"])).status, 200)
        self.assertEqual((await self.ask("GET", made["files"][-1]["src"])).status, 503)
        bucket.fail = []
        await self.ask("DELETE", f"/api/v1/sites/1/media/{made['id']}", authorization=self.auth, origin=ORIGIN)
        self.sql("update media_gone set since = now() - interval '2 hours'")
        self.assertEqual(await self.application.shared[Sweeping].sweep(), 1)
        self.assertEqual(bucket.objects, {})


class MotoTests(TestCase):
    """Against moto, which many test with."""

    timeout = 120
    if find_spec("moto") is None or find_spec("flask") is None or find_spec("botocore") is None:
        skip = "moto[server] is not installed"

    async def test_moto(self) -> None:
        """Small and large files are written, read in part, and removed."""
        (port,) = free_ports(1)
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

        def stop() -> None:
            server.kill()
            server.wait()

        self.addCleanup(stop)

        def make_bucket() -> None:
            while True:
                try:
                    urlopen(Request(f"http://127.0.0.1:{port}/test", method="PUT"), timeout=5).close()
                    return
                except OSError:
                    if server.poll() is not None:
                        raise

        await deferToThread(make_bucket)
        secret = Path(self.mktemp())
        secret.write_text("x")
        given = MediaS3(
            endpoint=f"http://127.0.0.1:{port}", bucket="test", access_key="x", secret_key_file=str(secret)
        )
        origin = S3Origin(given, clock, deferToThread)
        self.addCleanup(origin.close)
        for size in (10, s3.PART + 7):
            one, two = files(size)
            for _ in range(2):
                await origin.put(1, DIGEST, [one, two])
            self.assertTrue(await origin.get(1, DIGEST, one.name) == one.body)
            self.assertEqual(await origin.read(1, DIGEST, one.name, 3, 4), one.body[3:7])
            self.assertIsNone(await origin.get(1, DIGEST, "none"))
            await origin.remove(1, DIGEST)
            self.assertIsNone(await origin.get(1, DIGEST, two.name))
