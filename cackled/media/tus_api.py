"""Uploads in several requests, as tus 1.0.0 says: core, creation (its length may come later), creation-with-upload,
expiration, termination. https://tus.io/protocols/resumable-upload (protocol 1.0.0)

A picture is made when its last byte is here; GET gives it then. Checksums and concatenation are not offered.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.web.http import datetimeToString

from cackled.api.calls import Call, header, json_response, refusal
from cackled.api.large_bodies import Receiving
from cackled.api.route import Caller, HeaderField, Route
from cackled.domain.errors import BadField, Conflict, NotFound, Refused
from cackled.domain.signed_media import SignedMedia
from cackled.domain.site import Site
from cackled.media.answers import MediaAnswer, shown
from cackled.media.incoming import Incoming
from cackled.media.service import Medium
from cackled.media.settings import MOST_BYTES, MediaSettings
from cackled.media.store import MediaStore
from cackled.media.uploads import MOST_METADATA, TooLong, Upload, Uploads, Writer
from cackled.transport.response import Response

VERSION = b"1.0.0"
EXTENSIONS = b"creation,creation-defer-length,creation-with-upload,expiration,termination"
TYPE = "application/offset+octet-stream"
_ALLOWED = b"tus-resumable, upload-length, upload-defer-length, upload-metadata, upload-offset, x-http-method-override"
_EXPOSED = (
    b"location, tus-resumable, tus-version, tus-extension, tus-max-size, upload-defer-length, upload-expires, "
    b"upload-length, upload-metadata, upload-offset"
)
_HEADERS = [(b"tus-resumable", VERSION), (b"access-control-expose-headers", _EXPOSED), (b"cache-control", b"no-store")]
_NUMBER = re.compile(r"[0-9]{1,15}", re.ASCII)
LIMIT = "media.upload"
_ID = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)
_PAIR = re.compile(r"([\x21-\x2b\x2d-\x7e]{1,100})(?: ([A-Za-z0-9+/=]*))?", re.ASCII)


class OtherVersion(Refused):
    """The client speaks no version of the protocol that is known here."""

    status = 412
    slug = "tus-version"
    title = "Another version of tus is spoken here"


class OtherType(Refused):
    """A part of a file has a media type of its own."""

    status = 415
    slug = "upload-type"
    title = "Another type is needed"


class UploadAnswer(Struct, frozen=True):
    """An upload: ``at`` of ``length`` bytes (null: not known yet) are here. ``media``: the picture, once it is made."""

    at: int
    length: int | None
    media: MediaAnswer | None


Named = Callable[[str], "str | None"]


def _speaks(named: Named) -> None:
    if named("tus-resumable") != VERSION.decode():
        error = OtherVersion("Send Tus-Resumable: 1.0.0.")
        error.headers.append((b"tus-version", VERSION))
        raise error


def _number(named: Named, name: str) -> int | None:
    value = named(name)
    if value is None:
        return None
    if _NUMBER.fullmatch(value) is None:
        raise BadField("That is no number of bytes.", field=name)
    return int(value)


def _metadata(named: Named) -> tuple[str, str]:
    """The metadata as sent, and the alternative text in it.

    Raises:
        BadField: it is long, or not as the protocol says.
    """
    value = (named("upload-metadata") or "").strip()
    if len(value) > MOST_METADATA:
        raise BadField(f"Metadata has at most {MOST_METADATA} characters.", field="upload-metadata")
    alt = ""
    for one in value.split(",") if value else ():
        match = _PAIR.fullmatch(one.strip())
        if match is None:
            raise BadField("Metadata is a list of keys and Base64.", field="upload-metadata")
        try:
            text = b64decode(match[2] or "", validate=True)
        except ValueError:
            raise BadField("That is no Base64.", field="upload-metadata") from None
        if match[1] == "alt":
            alt = text.decode("utf-8", "replace").replace("\0", "")
    return value, alt


def _id(text: str) -> str:
    if _ID.fullmatch(text) is None:
        raise NotFound("There is no such upload of yours.")
    return text


async def _begin(uploads: Uploads, named: Named, visitor: int, sent: int | None) -> Writer:
    """Begin the upload that a POST asks for; *sent* bytes (None: not known) come with it."""
    _speaks(named)
    length = _number(named, "upload-length")
    if length is None and named("upload-defer-length") != "1":
        raise BadField("Say its length, or that it comes later.", field="upload-length")
    if sent != 0:
        _typed(named)
    uploads.admit(sent)
    if length is not None and sent is not None and sent > length:
        raise Conflict("The body is longer than the upload.", slug="upload-offset")
    return await uploads.begin(visitor, length, *_metadata(named))


def _typed(named: Named) -> None:
    if (named("content-type") or "").partition(";")[0].strip().lower() != TYPE:
        raise OtherType(f"Send {TYPE}.")


async def _go_on(
    store: MediaStore, site: Site, named: Named, number: str, visitor: int, sent: int | None
) -> Writer:
    """Go on with an upload as a PATCH asks; whoever wrote to it before does not any more."""
    _speaks(named)
    _typed(named)
    at = _number(named, "upload-offset")
    if at is None:
        raise BadField("Say where it goes on.", field="upload-offset")
    uploads = store.uploads_of(site)
    writer = await claim(store, site, number, visitor)
    length = _number(named, "upload-length")
    if length is not None and length != writer.upload.length:
        await uploads.set_length(writer, visitor, length)
    if at != writer.at:
        raise Conflict(f"{writer.at} bytes are here.", slug="upload-offset")
    most = uploads.most if writer.upload.length is None else writer.upload.length
    if sent is not None and at + sent > most:
        raise TooLong(f"The upload has {most} bytes.")
    return writer


async def claim(store: MediaStore, site: Site, number: str, visitor: int) -> Writer:
    """Take an upload over from the request that writes to it, whose bytes until now are kept."""
    uploads = store.uploads_of(site)
    before = store.writing.get((site.id, number))
    if before is not None and (await uploads.find(number, visitor)) is not None:
        await before.give_way()
    return await uploads.claim(number, visitor)


def receive(receiving: Receiving) -> Incoming | None:
    """What the body of a request is written to."""
    head, site, store = receiving.head, receiving.site, receiving.context.shared[MediaStore]
    visitor = receiving.session.visitor
    address = receiving.context.client_address(receiving.control.requests[-1])

    def named(name: str) -> str | None:
        value = head.named.get(name.encode("ascii"))
        return None if value is None else value.decode("latin-1")

    async def begin() -> Writer:
        # Here, not when the body is whole: a client that goes away before its end draws from it, too.
        receiving.context.limits.take(LIMIT, address, site.id)
        if "upload" not in receiving.parameters:
            await store.uploads_of(site).check(visitor, address)
            return await _begin(store.uploads_of(site), named, visitor, head.length)
        return await _go_on(store, site, named, _id(receiving.parameters["upload"]), visitor, head.length)

    if head.method == b"POST" and "upload" in receiving.parameters and _override(named) != "PATCH":
        return None
    return Incoming(
        begin, receiving.control, receiving.refuse, store.clock,
        lambda writer, incoming: store.writing.__setitem__((site.id, writer.id), incoming),
        lambda writer, incoming: store.ended(site.id, writer.id, incoming),
    )  # fmt: skip


def _override(named: Named) -> str:
    return (named("x-http-method-override") or "").strip().upper()


Handler = Callable[[Call], Awaitable[Any]]


def _tus(handler: Handler) -> Handler:
    """*handler*, with the protocol's headers on whatever it answers."""

    async def answer(call: Call) -> Response:
        try:
            response: Response = await handler(call)
        except Refused as error:
            response = refusal(error)
        names = {name.lower() for name, _ in response.headers}
        response.headers += [one for one in _HEADERS if one[0] not in names]
        return response

    answer.__doc__ = handler.__doc__
    return answer


def _named(call: Call) -> Named:
    return lambda name: header(call.request, name)


def _expires(upload: Upload) -> tuple[bytes, bytes]:
    return b"upload-expires", datetimeToString(upload.expires)


async def _finish(call: Call, number: str) -> Medium | None:
    """The picture of an upload that is whole; made once, however many ask at the same time."""
    store = call.shared(MediaStore)
    return await store.finishing.ask(
        f"{call.site.id}/{number}/{call.visitor.visitor}",
        lambda: Deferred.fromCoroutine(
            store.uploads_of(call.site).finish(number, call.visitor.visitor, call.address)
        ),
    )


@_tus
async def create(call: Call) -> Response:
    """Begin an upload; a body is its first part (tus creation, creation-with-upload)."""
    store, visitor = call.shared(MediaStore), call.visitor.visitor
    content = call.request.content
    if isinstance(content, Incoming):
        writer = await content.finished()
    else:
        await store.uploads_of(call.site).check(visitor, call.address)
        writer = await _begin(store.uploads_of(call.site), _named(call), visitor, 0)
    if writer.at and writer.at == writer.upload.length:
        await _finish(call, writer.id)
    place = f"/api/v1/sites/{call.site.id}/uploads/{writer.id}".encode("ascii")
    offset = b"%d" % writer.at
    return Response(201, [(b"location", place), (b"upload-offset", offset), _expires(writer.upload)], b"")


async def _write(call: Call) -> Response:
    number = _id(call.parameters["upload"])
    content = call.request.content
    if isinstance(content, Incoming):
        writer = await content.finished()
    else:
        store = call.shared(MediaStore)
        writer = await _go_on(store, call.site, _named(call), number, call.visitor.visitor, 0)
    if writer.at == writer.upload.length:
        await _finish(call, number)
    return Response(204, [(b"upload-offset", b"%d" % writer.at), _expires(writer.upload)], b"")


async def _end(call: Call) -> Response:
    _speaks(_named(call))
    number = _id(call.parameters["upload"])
    await claim(call.shared(MediaStore), call.site, number, call.visitor.visitor)
    await call.shared(MediaStore).uploads_of(call.site).drop(number)
    return Response(204, [], b"")


@_tus
async def write(call: Call) -> Response:
    """Add the next part of an upload (tus PATCH)."""
    return await _write(call)


@_tus
async def end(call: Call) -> Response:
    """End an upload that is not wanted any more (tus termination)."""
    return await _end(call)


@_tus
async def override(call: Call) -> Response:
    """PATCH or DELETE of a client that can only send POST, named by X-HTTP-Method-Override."""
    wanted = _override(_named(call))
    if wanted == "PATCH":
        return await _write(call)
    if wanted == "DELETE":
        return await _end(call)
    raise BadField("PATCH or DELETE.", field="x-http-method-override")


@_tus
async def look(call: Call) -> Response:
    """How much of an upload is here: HEAD as tus says; GET also gives the picture, once all of it is."""
    number, store, visitor = _id(call.parameters["upload"]), call.shared(MediaStore), call.visitor.visitor
    if call.request.method != b"HEAD":
        made = await _finish(call, number)
        upload = await store.uploads_of(call.site).find(number, visitor)
        media = None if made is None else shown(call.site.id, made, call.shared(SignedMedia))
        return json_response(UploadAnswer(upload.at, upload.length, media))
    _speaks(_named(call))
    upload = (await claim(store, call.site, number, visitor)).upload
    headers = [(b"upload-offset", b"%d" % upload.at), _expires(upload)]
    headers.append(
        (b"upload-defer-length", b"1") if upload.length is None else (b"upload-length", b"%d" % upload.length)
    )
    if upload.metadata:
        headers.append((b"upload-metadata", upload.metadata.encode("latin-1")))
    return Response(200, headers, b"")


def options(site: Site) -> list[tuple[bytes, bytes]]:
    """What OPTIONS tells of the protocol."""
    return [
        (b"access-control-allow-headers", _ALLOWED), (b"tus-resumable", VERSION), (b"tus-version", VERSION),
        (b"tus-extension", EXTENSIONS), (b"tus-max-size", b"%d" % site.product(MediaSettings).max_bytes),
        (b"access-control-expose-headers", _EXPOSED),
    ]  # fmt: skip


MADE_REFUSED = tuple(
    f"media-{one}"
    for one in ("type", "broken", "pixels", "frames", "memory", "time", "harmful", "large", "hourly", "room")
)
_REFUSED = (
    *MADE_REFUSED, "no-pictures", "banned", "uploads-open", "upload-offset", "upload-large", "upload-type",
    "upload-expired", "upload-taken", "upload-idle", "tus-version", "bad-field", "not-found", "unavailable",
)  # fmt: skip
_VERSION = HeaderField("Tus-Resumable", "The version of the protocol.", required=True, value=VERSION.decode())
_LENGTH = HeaderField("Upload-Length", "Bytes of the whole file.", number=True)
_LATER = HeaderField("Upload-Defer-Length", "1 where the length is said later.", value="1")
_METADATA = HeaderField(
    "Upload-Metadata", f"Pairs of a key and Base64, apart by commas, {MOST_METADATA} characters; `alt` is used."
)
_AT = HeaderField("Upload-Offset", "Bytes that are there, where this part goes on.", required=True, number=True)
_NOW = HeaderField("Upload-Offset", "Bytes that are there now.", required=True, number=True)
_EXPIRES = HeaderField("Upload-Expires", "Until when the upload may be gone on with (HTTP date).", required=True)
_OVERRIDE = HeaderField("X-HTTP-Method-Override", "PATCH or DELETE.", required=True)
_PLACE = HeaderField("Location", "The upload's address.", required=True)
_ALL, _ONE = "/sites/{site}/uploads", "/sites/{site}/uploads/{upload:text}"
_BODY: dict[str, Any] = {
    "takes": TYPE, "most": MOST_BYTES, "receive": receive, "caller": Caller.SESSION, "limit": LIMIT,
    "refusals": _REFUSED,
}  # fmt: skip
_BARE: dict[str, Any] = {"caller": Caller.SESSION, "limit": LIMIT, "refusals": _REFUSED}

ROUTES = (
    Route(
        method="POST", path=_ALL, name="beginUpload",
        summary="Begin an upload in several requests (tus 1.0.0); a body is its first part.", handler=create,
        status=201, options=options, sends=(_VERSION, _LENGTH, _LATER, _METADATA),
        gets=(_VERSION, _PLACE, _NOW, _EXPIRES), **_BODY,
    ),
    Route(
        method="GET", path=_ONE, name="getUpload",
        summary="See how much of an upload is here (tus: HEAD); once it is whole, get the picture.", handler=look,
        answer=UploadAnswer, options=options, gets=(_VERSION,), **_BARE,
    ),
    Route(
        method="PATCH", path=_ONE, name="writeUpload", summary="Add the next part of an upload.", handler=write,
        status=204, sends=(_VERSION, _AT, _LENGTH), gets=(_VERSION, _NOW, _EXPIRES), **_BODY,
    ),
    Route(
        method="POST", path=_ONE, name="overrideUpload",
        summary="PATCH or DELETE, named by X-HTTP-Method-Override.", handler=override, status=204,
        sends=(_VERSION, _OVERRIDE, msgspec.structs.replace(_AT, required=False), _LENGTH),
        gets=(_VERSION, msgspec.structs.replace(_NOW, required=False)), **_BODY,
    ),
    Route(
        method="DELETE", path=_ONE, name="endUpload", summary="End an upload.", handler=end, status=204,
        sends=(_VERSION,), gets=(_VERSION,), **_BARE,
    ),
)  # fmt: skip
