"""Pictures over the real listener: added, shown, counted, forgotten; never another site's, never as they came."""

from __future__ import annotations

import errno
import fcntl
import os
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from twisted.internet.defer import Deferred, gatherResults

from cackled.domain.commands import CommandError, OperatorParts, Usage
from cackled.domain.errors import Unprocessable
from cackled.media.commands import media
from cackled.media.image_workers import File
from cackled.media.origins import DatabaseOrigin, FolderOrigin
from cackled.media.service import Media
from cackled.media.store import MediaStore
from cackled.media.sweeping import Sweeping
from tests.api.common import ORIGIN, Answer, ApiCase
from tests.media import corpus


class MediaCase(ApiCase):
    """Site 1 and site 2 take pictures."""

    timeout = 300

    async def setUp(self) -> None:
        await super().setUp()
        for site in (1, 2):
            await self.application.sites.change(site, "media.pictures", True)
        self.mine = await self.session()
        self.auth = f"Bearer {self.mine['token']}"

    async def add(self, raw: bytes, site: int = 1, auth: str | None = None, query: str = "") -> Answer:
        """Send a picture."""
        origin = ORIGIN if site == 1 else "https://two.example"
        return await self.ask(
            "POST", f"/api/v1/sites/{site}/media{query}", raw, origin=origin, content_type="image/jpeg",
            authorization=auth or (self.auth if site == 1 else await self.visitor(site)),
        )  # fmt: skip

    async def added(self, raw: bytes, site: int = 1, auth: str | None = None, query: str = "") -> dict[str, Any]:
        """What is told of a picture that is taken."""
        answer = await self.add(raw, site, auth, query)
        self.assertEqual(answer.status, 201, answer)
        return answer.json()

    def media(self, site: int = 1) -> Media:
        """The pictures of a site."""
        return self.application.shared[MediaStore].of(self.application.sites.get(site))

    @property
    def folder(self) -> Path:
        """Where files are."""
        return Path(self.infrastructure.config.state) / "media"

    def files(self) -> int:
        """How many files there are."""
        return sum(1 for path in self.folder.rglob("*") if path.is_file())


class DiskTests(MediaCase):
    """A disk that takes no more, and what a process leaves that is ended while it writes."""

    async def test_full(self) -> None:
        """One request or several: told to try again, nothing left over; once there is room all is well."""
        raw, room = corpus.picture(), False

        def fsync(descriptor: int) -> None:
            if not room:
                raise OSError(errno.ENOSPC, "No space left on device")

        self.patch(os, "fsync", fsync)
        given = {"tus_resumable": "1.0.0", "authorization": self.auth, "origin": ORIGIN}
        begun = await self.ask("POST", "/api/v1/sites/1/uploads", **given, upload_length=str(len(raw)))
        place = begun.headers["location"]
        more = {**given, "content_type": "application/offset+octet-stream", "upload_offset": "0"}
        for answer in (await self.add(raw), await self.ask("PATCH", place, raw, **more)):
            self.assertEqual((answer.status, answer.slug, answer.headers["retry-after"]), (503, "unavailable", "10"))
        self.assertEqual((self.files(), self.sql("select count(*) from media")), (0, [(0,)]))
        self.assertEqual(self.flushLoggedErrors(), [])
        room = True
        made = (await self.ask("GET", place, authorization=self.auth, origin=ORIGIN)).json()["media"]
        self.assertEqual((await self.ask("GET", made["files"][0]["src"])).status, 200)

    async def test_left_over(self) -> None:
        """What was begun and never ended goes when the same is written again; what is being written stays."""
        digest, place = b"a" * 32, FolderOrigin(self.folder, self.application.shared[MediaStore].origin._in_thread)
        where = place.place(1, digest)
        where.mkdir(parents=True)
        for name in (".left", ".new", ".held"):
            (where / name).write_bytes(b"half")
        for name in (".left", ".held"):
            os.utime(where / name, (1, 1))
        with (where / ".held").open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            await place.put(1, digest, [File("20.webp", "image/webp", 20, 20, b"whole")])
        self.assertEqual(sorted(one.name for one in where.iterdir()), [".held", ".new", "20.webp"])


class AddingTests(MediaCase):
    """Taking pictures in."""

    async def test_added(self) -> None:
        """A large picture without its place: all its files can be had, and each is what it says."""
        exif = Image.Exif()
        exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.0)}
        made = await self.added(corpus.picture(size=(900, 600), exif=exif), query="?alt=A%20red%20wall%0Aof%20bricks")
        self.assertEqual((made["width"], made["height"], made["frames"]), (900, 600, 1))
        self.assertEqual((made["alt"], made["color"][0]), ("A red wall of bricks", "#"))
        self.assertEqual(len(made["files"]), 7)
        for one in made["files"]:
            answer = await self.ask("GET", one["src"])
            self.assertEqual((answer.status, answer.headers["content-type"]), (200, one["type"]), one)
            image = Image.open(BytesIO(answer.body))
            self.assertEqual((image.size, dict(image.getexif())), ((one["width"], one["height"]), {}))
            self.assertRegex(answer.headers["cache-control"], "^private, max-age=[0-9]+$")
            self.assertEqual(answer.headers["x-content-type-options"], "nosniff")
            self.assertIn("sandbox", answer.headers["content-security-policy"])
            # Nobody else finds it before it is shown with something.
            number, sign, name = one["src"].split("/")[2:]
            for path in (f"{number}/{name}", f"{number}/{sign[:-1]}/{name}", f"{number}/0{sign[1:]}/{name}",
                         f"{number[:-1]}x/{sign}/{name}", f"{number}/{sign}/{sign}/{name}"):  # fmt: skip
                hidden = await self.ask("GET", f"/media/{path}")
                self.assertEqual((hidden.status, hidden.headers["cache-control"]), (404, "no-store"))
        self.sql("update media set shown = true")
        _, _, number, _, name = made["files"][0]["src"].split("/")
        open_ = await self.ask("GET", f"/media/{number}/{name}")
        self.assertEqual((open_.status, open_.headers["cache-control"]), (200, "public, max-age=31536000, immutable"))
        thumb = await self.ask("GET", f"/media/{number}/thumb.webp")
        self.assertEqual(Image.open(BytesIO(thumb.body)).size[0], 320)

    async def test_refused(self) -> None:
        """What can't be shown is said, and leaves nothing."""
        for name, (raw, reason) in corpus.REFUSED.items():
            self.assertEqual((await self.add(raw)).slug, f"media-{reason}", name)
        await self.application.sites.change(1, "media.max_bytes", 10_000)
        self.assertEqual((await self.add(corpus.saved(Image.effect_noise((300, 300), 90), "PNG"))).slug, "media-large")
        await self.application.sites.change(1, "media.pictures", False)
        self.assertEqual((await self.add(corpus.picture())).slug, "no-pictures")
        self.assertEqual((self.sql("select count(*) from media"), self.files()), ([(0,)], 0))

    async def test_refused_from_the_head(self) -> None:
        """What the site does not take is refused before it is sent: nothing of the body comes here."""
        head = (
            f"POST /api/v1/sites/1/media HTTP/1.1\r\nhost: localhost\r\nauthorization: {self.auth}\r\n"
            "content-type: image/jpeg\r\ncontent-length: {}\r\n\r\n"
        )
        await self.application.sites.change(1, "media.max_bytes", 1_000_000)
        large = await self.send(head.format(1_000_001).encode())
        self.assertIn(b"media-large", large)
        await self.application.sites.change(1, "media.pictures", False)
        closed = await self.send(head.format(500_000).encode())
        self.assertIn(b"no-pictures", closed)

    async def test_same_again(self) -> None:
        """The same contents take room once, whoever sends them; on another site they are its own."""
        raw = corpus.picture()
        first = await self.added(raw)
        second = await self.added(raw, auth=await self.visitor(), query="?alt=other")
        self.assertNotEqual(first["id"], second["id"])
        self.assertEqual((first["alt"], second["alt"]), ("", "other"))
        self.assertEqual(self.files(), 5)
        self.assertEqual((await self.media().usage())[0], 1)
        await self.added(raw, 2)
        self.assertEqual((self.files(), (await self.media(2).usage())[0]), (10, 1))

    async def test_bounds(self) -> None:
        """So many in an hour for one visitor, so many bytes for the site."""
        await self.application.sites.change(1, "media.hourly", 2)
        for color in ("red", "green"):
            await self.added(corpus.picture(color=color))
        self.assertEqual((await self.add(corpus.picture(color="blue"))).slug, "media-hourly")
        other = await self.visitor()
        await self.application.sites.change(1, "media.room", (await self.media().usage())[1])
        self.assertEqual((await self.add(corpus.picture(color="blue"), auth=other)).slug, "media-room")
        # What is there already takes none.
        await self.added(corpus.picture(color="red"), auth=other)

    async def test_at_once(self) -> None:
        """The same picture many times at once: each is told of, contents are there once."""
        auths = [await self.visitor() for _ in range(4)]
        work: list[Deferred[Any]] = [
            Deferred.fromCoroutine(self.added(corpus.picture(), auth=auth)) for auth in auths
        ]
        made = await gatherResults(work)
        self.assertEqual(len({one["id"] for one in made}), 4)
        pictures, size = await self.media().usage()
        self.assertEqual((pictures, self.files()), (1, 5))
        self.assertEqual(self.sql("select distinct bytes from media"), [(size,)])

    async def test_described_and_removed(self) -> None:
        """By who added it, and nobody else."""
        made = await self.added(corpus.picture())
        address, other = f"/api/v1/sites/1/media/{made['id']}", await self.visitor()
        said = await self.ask("PATCH", address, {"alt": "A wall"}, authorization=self.auth, origin=ORIGIN)
        self.assertEqual((said.status, self.sql("select alt from media")), (204, [("A wall",)]))
        for auth, place in ((other, address), (self.auth, address.replace("1-", "2-")), (self.auth, f"{address}x")):
            for method, body in (("PATCH", {"alt": "x"}), ("DELETE", None)):
                answer = await self.ask(method, place, body, authorization=auth, origin=ORIGIN)
                self.assertEqual((answer.status, answer.slug), (404, "not-found"), place)
        gone = await self.ask("DELETE", address, authorization=self.auth, origin=ORIGIN)
        self.assertEqual((gone.status, self.sql("select count(*) from media")), (204, [(0,)]))
        self.assertEqual(await self.media().usage(), (0, 0))

    async def test_attached(self) -> None:
        """Given to what it is shown with once, by its owner; then it stays."""
        made, other = await self.added(corpus.picture()), await self.session()
        number, visitor = made["id"].partition("-")[2], int(self.mine["visitor"])
        for who, ids in ((int(other["visitor"]), [number]), (visitor, [number, "x"]), (visitor, [number] * 2)):
            await self.assertFailure(
                Deferred.fromCoroutine(self.media().attach(who, "comment:2", ids)), Unprocessable
            )
        self.sql("update media set item = ''")
        (shown,) = await self.media().attach(visitor, "comment:1", [number])
        self.assertEqual((shown.id, shown.item), (number, "comment:1"))
        gone = await self.ask("DELETE", f"/api/v1/sites/1/media/{made['id']}", authorization=self.auth, origin=ORIGIN)
        self.assertEqual(gone.status, 404)


class ServingTests(MediaCase):
    """Addresses of files."""

    async def setUp(self) -> None:
        await super().setUp()
        made = await self.added(corpus.picture())
        self.src = made["files"][0]["src"]
        self.whole = (await self.ask("GET", self.src)).body

    async def test_conditions(self) -> None:
        """HEAD, ETag, and parts (RFC 9110 sections 13 and 14)."""
        head = await self.ask("HEAD", self.src)
        size = len(self.whole)
        self.assertEqual((head.status, head.body, head.headers["content-length"]), (200, b"", str(size)))
        head = await self.ask("HEAD", self.src, range="bytes=2-5")
        self.assertEqual((head.status, head.headers["content-length"]), (200, str(size)))
        tag = head.headers["etag"]
        for given in (tag, f'"other", {tag}', f"W/{tag}", "*"):
            self.assertEqual((await self.ask("GET", self.src, if_none_match=given)).status, 304, given)
        parts = {
            "bytes=0-9": (206, self.whole[:10]), "bytes=10-": (206, self.whole[10:]),
            "bytes=-7": (206, self.whole[-7:]),
            f"bytes=5-{size + 50}": (206, self.whole[5:]), f"bytes={size}-": (416, None), "bytes=-0": (416, None),
            "bytes=9-5": (200, self.whole), "bytes=0-1,3-4": (200, self.whole), "bytes=-": (200, self.whole),
            "lines=1-2": (200, self.whole), f"bytes=-{size * 9}": (206, self.whole),
        }  # fmt: skip
        for given, (status, body) in parts.items():
            answer = await self.ask("GET", self.src, range=given)
            self.assertEqual(answer.status, status, given)
            if body is not None:
                self.assertEqual(answer.body, body, given)
        part = await self.ask("GET", self.src, range="bytes=2-5")
        self.assertEqual(part.headers["content-range"], f"bytes 2-5/{size}")
        self.assertEqual((await self.ask("GET", self.src, range="bytes=2-5", if_range='"other"')).status, 200)
        self.assertEqual((await self.ask("GET", self.src, range="bytes=2-5", if_range=tag)).status, 206)

    async def test_nothing_there(self) -> None:
        """Other sites, other files, ways out of the folder."""
        self.sql("update media set shown = true")
        number, _, name = self.src.split("/")[2:]
        self.assertEqual((await self.ask("GET", f"/media/{number}/{name}")).status, 200)
        for path in (f"/media/2{number[1:]}/{name}", f"/media/{number}/801.webp", f"/media/{number}/..%2f{name}",
                     f"/media/{number[:-1]}/{name}", "/media", f"/media/{number}", f"/media/{number}/{name}/x",
                     f"/media/{number}/%2e%2e", f"/media/9{number}/{name}", f"/media/{number}/{name}%00"):  # fmt: skip
            self.assertEqual((await self.ask("GET", path)).status, 404, path)
        self.assertEqual((await self.ask("POST", self.src, b"x")).status, 405)

    async def test_cut_short(self) -> None:
        """A file that is cut short or missing is never served, nor kept; once it is whole again, it is."""
        other = (await self.added(corpus.picture(color="blue")))["files"][0]["src"]
        (path,) = [one for one in self.folder.rglob(other.rpartition("/")[2]) if one.read_bytes() != self.whole]
        body = path.read_bytes()
        path.write_bytes(body[:-3])
        self.assertEqual((await self.ask("GET", other)).status, 503)
        path.unlink()
        self.assertEqual((await self.ask("GET", other)).status, 503)
        path.write_bytes(body)
        self.assertEqual((await self.ask("GET", other)).body, body)


class SweepingTests(MediaCase):
    """What goes by itself."""

    async def test_unused(self) -> None:
        """A picture that is with nothing goes after a day, its files an hour later; what is shown stays."""
        kept = await self.added(corpus.picture(color="green"))
        await self.media().attach(int(self.mine["visitor"]), "comment:1", [kept["id"].partition("-")[2]])
        await self.added(corpus.picture())
        sweeping = self.application.shared[Sweeping]
        self.sql("update media set created_at = now() - interval '25 hours'")
        await self.application.housekeeping.run()
        self.assertEqual(self.sql("select item from media"), [("comment:1",)])
        self.assertEqual((await sweeping.sweep(), self.files()), (0, 10))
        self.sql("update media_gone set since = now() - interval '2 hours'")
        self.assertEqual((await sweeping.sweep(), self.files()), (1, 5))
        self.assertEqual(self.sql("select count(*) from media_gone"), [(0,)])

    async def test_erased(self) -> None:
        """Who is forgotten takes all pictures along, files too; others stay."""
        made = await self.added(corpus.picture())
        await self.added(corpus.picture(color="blue"), auth=await self.visitor())
        await self.media().attach(int(self.mine["visitor"]), "comment:1", [made["id"].partition("-")[2]])
        await self.application.erasures.erase(1, int(self.mine["visitor"]))
        self.assertEqual(self.sql("select count(*) from media"), [(1,)])
        self.sql("update media_gone set since = now() - interval '2 hours'")
        self.assertEqual((await self.application.shared[Sweeping].sweep(), self.files()), (1, 5))

    async def test_sent_again(self) -> None:
        """Contents whose files are just being removed are taken again a moment later."""
        await self.added(corpus.picture())
        self.sql("delete from media")
        self.sql("insert into media_gone select 1, hash, now(), true from (select %s::bytea as hash) x",
                 sha256(corpus.picture()).digest())  # fmt: skip
        self.assertEqual((await self.add(corpus.picture())).slug, "too-fast")
        self.assertEqual(await self.application.shared[Sweeping].sweep(), 1)
        again = await self.added(corpus.picture())
        self.assertEqual((await self.ask("GET", again["files"][0]["src"])).status, 200)


class CommandTests(MediaCase):
    """What operators see and do."""

    async def run_command(self, *words: str) -> Any:
        """The data of ``media WORDS``."""
        application = self.application
        parts = OperatorParts(
            sites=application.sites, database=application.database, evict=lambda position: None,
            shared=application.shared,
        )  # fmt: skip
        return await media(parts, words)

    async def test_commands(self) -> None:
        """What is taken; which files are missing; a picture removed; all files copied elsewhere."""
        self.assertEqual(await self.run_command("status"), "no site has pictures")
        made = await self.added(corpus.picture())
        await self.added(corpus.picture(color="blue"), 2)
        size = self.sql("select sum(bytes)::int from media where site_id = 1")[0][0]
        self.sql("insert into upload (site_id, id, visitor_id, at, expires_at) values (1, 'x', 1, 3, now() + '1 hour')")
        self.assertEqual(
            await self.run_command("status", "1"), [{
                "site": 1, "pictures": 1, "size_bytes": size, "to_remove": 0, "uploads": 1, "uploads_bytes": 3,
            }],
        )
        self.assertEqual(len(await self.run_command("status")), 2)
        self.assertEqual((await self.run_command("verify"))["files"], {"looked_at": 10, "missing_or_cut": 0})
        path = next(iter((self.folder / "1").rglob("mail.jpg")))
        body = path.read_bytes()
        path.write_bytes(body[:5])
        found = await self.run_command("verify", "1")
        self.assertEqual(found["wrong"], [
            {"picture": made["id"], "file": "mail.jpg", "is_bytes": 5, "should_be_bytes": len(body)}
        ])  # fmt: skip
        moved = await self.run_command("move", "database")
        self.assertEqual((moved["copied_files"], moved["missing_or_cut"]), (9, 1))
        path.write_bytes(body)
        self.assertEqual((await self.run_command("move", "database"))["copied_files"], 10)
        self.assertEqual(self.sql("select count(*) from media_file where site_id = 1"), [(5,)])
        # What came between the copy and the restart is fetched from the other places.
        path.unlink()
        again = await self.run_command("move", "folder")
        self.assertEqual((again["copied_files"], again["there_already"], again["missing_or_cut"]), (1, 9, 0))
        self.assertEqual(path.read_bytes(), body)
        path.write_bytes(body[:-1] + b"x")
        self.assertEqual((await self.run_command("verify"))["files"], {"looked_at": 10, "missing_or_cut": 1})
        path.write_bytes(body)
        self.assertIn("removed", await self.run_command("purge", made["id"]))
        self.assertEqual(self.sql("select site_id from media"), [(2,)])
        for words in (("purge", made["id"]), ("purge", "../x"), ("status", "7"), ("verify", "x"), ("move", "tape")):
            await self.assertFailure(Deferred.fromCoroutine(self.run_command(*words)), CommandError)
        await self.assertFailure(Deferred.fromCoroutine(self.run_command("look")), Usage)


class OriginTests(MediaCase):
    """Both places for files do the same."""

    async def test_origins(self) -> None:
        """Kept, read, kept again, removed; of each site its own."""
        files = [File("320.webp", "image/webp", 1, 1, b"\x00one"), File("mail.jpg", "image/jpeg", 1, 1, b"two")]
        digest = b"d" * 32
        for origin in (
            FolderOrigin(Path(self.mktemp()), self.infrastructure.in_thread), DatabaseOrigin(self.application.database)
        ):
            await origin.put(1, digest, files)
            await origin.put(1, digest, files)
            self.assertEqual(await origin.get(1, digest, "320.webp"), b"\x00one")
            self.assertIsNone(await origin.get(2, digest, "320.webp"))
            self.assertIsNone(await origin.get(1, digest, "800.webp"))
            await origin.remove(1, digest)
            await origin.remove(1, digest)
            self.assertIsNone(await origin.get(1, digest, "mail.jpg"))
