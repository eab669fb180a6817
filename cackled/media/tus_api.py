"""Uploads in several requests, as tus 1.0.0 says: core, creation (its length may come later), creation-with-upload,
expiration, termination. https://tus.io/protocols/resumable-upload (protocol 1.0.0)

A picture is made when its last byte is here; GET gives it then. Checksums and concatenation are not offered.

Visitors send theirs to the site (`ROUTES`). A product that takes files under rights of its own has the same routes at
an address of its own (`tus_routes`).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.web.http import datetimeToString

from cackled.api.calls import Call, header, json_response, refusal
from cackled.api.large_bodies import Receiving
from cackled.api.route import Caller, HeaderField, Route
from cackled.domain.errors import BadField, Conflict, NotFound, Refused
from cackled.domain.signed_media import DRAFT_LIFETIME, SignedMedia
from cackled.domain.site import Site
from cackled.media.answers import MediaAnswer, shown
from cackled.media.incoming import Incoming
from cackled.media.service import Medium
from cackled.media.settings import MOST_BYTES, MediaSettings
from cackled.media.store import MediaStore, kept_of
from cackled.media.uploads import MOST_METADATA, Sender, TooLong, Upload, Uploads, Writer, pairs
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


class Kind(Struct, frozen=True):
    """Uploads of one address: whose a call's are (refused where it may send none), and how what is made is shown."""

    who: Callable[[Call], Awaitable[Sender]]
    made: Callable[[Call, Medium], Any]


async def _visitor(call: Call) -> Sender:
    return Sender(call.visitor.visitor)


def _made(call: Call, medium: Medium) -> MediaAnswer:
    return shown(call.site.id, medium, call.shared(SignedMedia))


def made_file(call: Call, medium: Medium) -> dict[str, Any]:
    """A picture or another file as a product keeps it, with an address for whoever sent it."""
    kept = kept_of(call.site.id, medium)
    return {**kept, "url": call.shared(SignedMedia).address(kept["url"], DRAFT_LIFETIME)} if kept["url"] else kept


OWN = Kind(_visitor, _made)


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


def _metadata(named: Named) -> str:
    """The metadata as sent.

    Raises:
        BadField: it is long, or not as the protocol says.
    """
    value = (named("upload-metadata") or "").strip()
    if len(value) > MOST_METADATA:
        raise BadField(f"Metadata has at most {MOST_METADATA} characters.", field="upload-metadata")
    if pairs(value) is None:
        raise BadField("Metadata is a list of keys and Base64.", field="upload-metadata")
    return value


def _id(text: str) -> str:
    if _ID.fullmatch(text) is None:
        raise NotFound("There is no such upload of yours.")
    return text


async def _begin(uploads: Uploads, named: Named, sender: Sender, sent: int | None) -> Writer:
    """Begin the upload that a POST asks for; *sent* bytes (None: not known) come with it."""
    _speaks(named)
    length = _number(named, "upload-length")
    if length is None and named("upload-defer-length") != "1":
        raise BadField("Say its length, or that it comes later.", field="upload-length")
    if sent != 0:
        _typed(named)
    uploads.admit(sent, sender)
    if length is not None and sent is not None and sent > length:
        raise Conflict("The body is longer than the upload.", slug="upload-offset")
    return await uploads.begin(sender, length, _metadata(named))


def _typed(named: Named) -> None:
    if (named("content-type") or "").partition(";")[0].strip().lower() != TYPE:
        raise OtherType(f"Send {TYPE}.")


async def _go_on(
    store: MediaStore, site: Site, named: Named, number: str, sender: Sender, sent: int | None
) -> Writer:
    """Go on with an upload as a PATCH asks; whoever wrote to it before does not any more."""
    _speaks(named)
    _typed(named)
    at = _number(named, "upload-offset")
    if at is None:
        raise BadField("Say where it goes on.", field="upload-offset")
    uploads = store.uploads_of(site)
    writer = await claim(store, site, number, sender)
    length = _number(named, "upload-length")
    if length is not None and length != writer.upload.length:
        await uploads.set_length(writer, sender, length)
    if at != writer.at:
        raise Conflict(f"{writer.at} bytes are here.", slug="upload-offset")
    most = uploads.most if writer.upload.length is None else writer.upload.length
    if sent is not None and at + sent > most:
        raise TooLong(f"The upload has {most} bytes.")
    return writer


async def claim(store: MediaStore, site: Site, number: str, sender: Sender) -> Writer:
    """Take an upload over from the request that writes to it, whose bytes until now are kept."""
    uploads = store.uploads_of(site)
    before = store.writing.get((site.id, number))
    if before is not None and (await uploads.find(number, sender)) is not None:
        await before.give_way()
    return await uploads.claim(number, sender)


def _receive(kind: Kind, receiving: Receiving) -> Incoming | None:
    """What the body of a request is written to."""
    head, site, store = receiving.head, receiving.site, receiving.context.shared[MediaStore]

    def named(name: str) -> str | None:
        value = head.named.get(name.encode("ascii"))
        return None if value is None else value.decode("latin-1")

    async def begin() -> Writer:
        # Here, not when the body is whole: a client that goes away before its end draws from the limit, too.
        call = await receiving.admitted()
        sender = await kind.who(call)
        if "upload" not in receiving.parameters:
            await store.uploads_of(site).check(sender, call.address)
            return await _begin(store.uploads_of(site), named, sender, head.length)
        return await _go_on(store, site, named, _id(receiving.parameters["upload"]), sender, head.length)

    if head.method == b"POST" and "upload" in receiving.parameters and _override(named) != "PATCH":
        return None
    return Incoming(
        begin, receiving.control, receiving.refuse, store.clock,
        lambda writer, incoming: store.writing.__setitem__((site.id, writer.id), incoming),
        lambda writer, incoming: store.ended(site.id, writer.id, incoming),
    )  # fmt: skip


def _override(named: Named) -> str:
    return (named("x-http-method-override") or "").strip().upper()


Handler = Callable[[Kind, Call], Awaitable[Any]]


def _tus(handler: Handler, kind: Kind) -> Callable[[Call], Awaitable[Any]]:
    """*handler* for uploads of *kind*, with the protocol's headers on whatever it answers."""

    async def answer(call: Call) -> Response:
        try:
            response: Response = await handler(kind, call)
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


async def _finish(call: Call, number: str, sender: Sender) -> Medium | None:
    """The picture of an upload that is whole; made once, however many ask at the same time."""
    store = call.shared(MediaStore)
    return await store.finishing.ask(
        f"{call.site.id}/{number}/{sender.visitor}/{sender.account}/{sender.place}",
        lambda: Deferred.fromCoroutine(store.uploads_of(call.site).finish(number, sender, call.address)),
    )


async def create(kind: Kind, call: Call) -> Response:
    """Begin an upload; a body is its first part (tus creation, creation-with-upload)."""
    store, sender = call.shared(MediaStore), await kind.who(call)
    content = call.request.content
    if isinstance(content, Incoming):
        writer = await content.finished()
    else:
        await store.uploads_of(call.site).check(sender, call.address)
        writer = await _begin(store.uploads_of(call.site), _named(call), sender, 0)
    if writer.at and writer.at == writer.upload.length:
        await _finish(call, writer.id, sender)
    # The route's own address, and behind it the upload's.
    place = call.request.uri.partition(b"?")[0] + b"/" + writer.id.encode("ascii")
    offset = b"%d" % writer.at
    return Response(201, [(b"location", place), (b"upload-offset", offset), _expires(writer.upload)], b"")


async def write(kind: Kind, call: Call) -> Response:
    """Add the next part of an upload (tus PATCH)."""
    number, sender = _id(call.parameters["upload"]), await kind.who(call)
    content = call.request.content
    if isinstance(content, Incoming):
        writer = await content.finished()
    else:
        writer = await _go_on(call.shared(MediaStore), call.site, _named(call), number, sender, 0)
    if writer.at == writer.upload.length:
        await _finish(call, number, sender)
    return Response(204, [(b"upload-offset", b"%d" % writer.at), _expires(writer.upload)], b"")


async def end(kind: Kind, call: Call) -> Response:
    """End an upload that is not wanted any more (tus termination)."""
    _speaks(_named(call))
    number = _id(call.parameters["upload"])
    await claim(call.shared(MediaStore), call.site, number, await kind.who(call))
    await call.shared(MediaStore).uploads_of(call.site).drop(number)
    return Response(204, [], b"")


async def override(kind: Kind, call: Call) -> Response:
    """PATCH or DELETE of a client that can only send POST, named by X-HTTP-Method-Override."""
    wanted = _override(_named(call))
    if wanted == "PATCH":
        return await write(kind, call)
    if wanted == "DELETE":
        return await end(kind, call)
    raise BadField("PATCH or DELETE.", field="x-http-method-override")


async def look(kind: Kind, call: Call) -> Response:
    """How much of an upload is here: HEAD as tus says; GET also gives the picture, once all of it is."""
    number, store, sender = _id(call.parameters["upload"]), call.shared(MediaStore), await kind.who(call)
    if call.request.method != b"HEAD":
        made = await _finish(call, number, sender)
        upload = await store.uploads_of(call.site).find(number, sender)
        media = None if made is None else kind.made(call, made)
        return json_response({"at": upload.at, "length": upload.length, "media": media})
    _speaks(_named(call))
    upload = (await claim(store, call.site, number, sender)).upload
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
    "Upload-Metadata",
    f"Pairs of a key and Base64, apart by commas, {MOST_METADATA} characters; `alt` is used, and `filename` in chat.",
)
_AT = HeaderField("Upload-Offset", "Bytes that are there, where this part goes on.", required=True, number=True)
_NOW = HeaderField("Upload-Offset", "Bytes that are there now.", required=True, number=True)
_EXPIRES = HeaderField("Upload-Expires", "Until when the upload may be gone on with (HTTP date).", required=True)
_OVERRIDE = HeaderField("X-HTTP-Method-Override", "PATCH or DELETE.", required=True)
_PLACE = HeaderField("Location", "The upload's address.", required=True)


def tus_routes(
    path: str, kind: Kind, names: tuple[str, str, str, str, str], answer: type[Struct],
    refusals: tuple[str, ...] = (), **more: Any,
) -> tuple[Route, ...]:  # fmt: skip
    """The routes of uploads of *kind* at *path*, with the operationIds *names*; *answer* is GET's; *more* says who may
    call (`Route`).
    """
    one = path + "/{upload:text}"
    begin, get, add, instead, stop = names
    bare: dict[str, Any] = {"limit": LIMIT, "refusals": (*_REFUSED, *refusals), **more}
    body: dict[str, Any] = {"takes": TYPE, "most": MOST_BYTES, "receive": partial(_receive, kind), **bare}
    return (
        Route(
            method="POST", path=path, name=begin,
            summary="Begin an upload in several requests (tus 1.0.0); a body is its first part.",
            handler=_tus(create, kind), status=201, options=options, sends=(_VERSION, _LENGTH, _LATER, _METADATA),
            gets=(_VERSION, _PLACE, _NOW, _EXPIRES), **body,
        ),
        Route(
            method="GET", path=one, name=get,
            summary="See how much of an upload is here (tus: HEAD); once it is whole, get the picture.",
            handler=_tus(look, kind), answer=answer, options=options, gets=(_VERSION,), **bare,
        ),
        Route(
            method="PATCH", path=one, name=add, summary="Add the next part of an upload.",
            handler=_tus(write, kind), status=204, sends=(_VERSION, _AT, _LENGTH), gets=(_VERSION, _NOW, _EXPIRES),
            **body,
        ),
        Route(
            method="POST", path=one, name=instead, summary="PATCH or DELETE, named by X-HTTP-Method-Override.",
            handler=_tus(override, kind), status=204,
            sends=(_VERSION, _OVERRIDE, msgspec.structs.replace(_AT, required=False), _LENGTH),
            gets=(_VERSION, msgspec.structs.replace(_NOW, required=False)), **body,
        ),
        Route(
            method="DELETE", path=one, name=stop, summary="End an upload.", handler=_tus(end, kind), status=204,
            sends=(_VERSION,), gets=(_VERSION,), **bare,
        ),
    )  # fmt: skip


ROUTES = tus_routes(
    "/sites/{site}/uploads", OWN, ("beginUpload", "getUpload", "writeUpload", "overrideUpload", "endUpload"),
    UploadAnswer, caller=Caller.SESSION,
)  # fmt: skip
