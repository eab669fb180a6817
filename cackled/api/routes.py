"""The JSON API under ``/api/v1``: one thin method per call; the rules are the domain's.

Routing is klein's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any, Literal
from urllib.parse import unquote_to_bytes

import msgspec
from klein import Klein
from msgspec import Meta, Struct
from twisted.internet.defer import Deferred
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET
from werkzeug.exceptions import HTTPException

from cackled.api import openapi
from cackled.api.calls import (
    ALLOWED_HEADERS,
    ALLOWED_METHODS,
    Call,
    argument,
    bearer,
    body,
    cors,
    guarded,
    idempotency_key,
    json_response,
    number,
    positions,
    reading,
    shielded,
    sourced,
)
from cackled.database.routing import ReadPreference
from cackled.domain.errors import BadField, NotFound
from cackled.domain.grants import Grants
from cackled.domain.limits import AddressBuckets, Buckets, address_key
from cackled.domain.moderation import Moderation
from cackled.domain.page_facts import page_title, page_url
from cackled.domain.reading import Reading
from cackled.domain.sessions import Sessions
from cackled.domain.sites import Site, SiteDirectory
from cackled.products.comments.pages import MAX_SIZE, Wanted, check_cursor
from cackled.products.comments.service import ChannelRef, Comments, Written, check_channel, parse_id
from cackled.transport.http import Request
from cackled.transport.problems import problem
from cackled.transport.response import Response


class ChannelBody(Struct):
    """The page a comment is written on; of what kind its address and title are is not for the writer to mend."""

    key: str
    url: Any = ""
    title: Any = ""


class PostBody(Struct):
    """A new comment."""

    channel: ChannelBody
    text: str
    name: str
    parent: str | None = None


class EditBody(Struct):
    """A comment's new text."""

    text: str


class VoteBody(Struct):
    """A vote; 0 takes it back."""

    value: Literal[1, 0, -1]


class FlagBody(Struct):
    """A report."""

    reason: Annotated[str, Meta(max_length=2000)] | None = None


Handler = Callable[[Call], Awaitable[Response]]


class Limits:
    """The buckets that calls draw from, by caller's address and by site."""

    def __init__(
        self,
        posts: AddressBuckets,
        votes: AddressBuckets,
        sessions: AddressBuckets,
        reads: AddressBuckets,
        site_posts: Buckets,
        exempt: Callable[[str], bool],
    ) -> None:
        self._posts = posts
        self._votes = votes
        self._sessions = sessions
        self._reads = reads
        self._site_posts = site_posts
        self._exempt = exempt

    def busiest(self, most: int) -> list[tuple[str, float]]:
        """At most *most* addresses that read most just now, with what they have spent."""
        return self._reads.busiest(most)

    def post(self, call: Call) -> None:
        """A comment is about to be written."""
        if not self._exempt(call.address):
            self._posts.take(address_key(call.address))
            self._site_posts.take(call.site.id)

    def vote(self, call: Call) -> None:
        """A vote, edit, deletion, flag or block is about to be written."""
        if not self._exempt(call.address):
            self._votes.take(address_key(call.address))

    def session(self, call: Call) -> None:
        """A session is about to be opened."""
        if not self._exempt(call.address):
            self._sessions.take(address_key(call.address))

    def read(self, address: str, cost: float = 1.0) -> None:
        """Something is about to be read, or as much as *cost* times."""
        if not self._exempt(address):
            self._reads.take(address_key(address), cost)


def wanted(request: Request) -> Wanted:
    """The page of comments a query asks for.

    Raises:
        BadField: an argument is not right.
    """
    sort = argument(request, "sort", "best")
    if sort not in ("best", "new", "old"):
        raise BadField("sort is best, new or old.", field="sort")
    parent = argument(request, "parent")
    return Wanted(
        sort,  # type: ignore[arg-type]
        number(request, "size", 25, 1, MAX_SIZE),
        check_cursor(argument(request, "cursor")),
        parse_id(parent, "parent") if parent else None,
    )


def after_write(request: Request, response: Response) -> Response:
    """Mark an answer to a write, so that the writer's next read goes past the microcache."""
    response.headers.append((b"x-microcachable", b"0"))
    if request.isSecure():
        response.headers.append((b"set-cookie", b"_mcnc=1; Max-Age=2; Path=/; SameSite=None; Secure; Partitioned"))
    return response


class StaticAnswer(Resource):
    """Answers with one `Response`: what klein's functions return when they need not wait."""

    isLeaf = True

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self._answer = answer

    def render(self, request: Any) -> Any:
        """The answer."""
        return self._answer


class Ways(Resource):
    """Before klein: the calls that come often find their method without it, and what is no UTF-8 is no address.

    *often* gives the handler of (method, segments after ``/api/v1``), or None.
    """

    isLeaf = True
    takes_rest = True

    def __init__(
        self,
        often: Callable[[bytes, list[bytes]], tuple[int, Handler] | None],
        answer: Callable[[Request, int, Handler], Awaitable[None]],
        inner: IResource,
    ) -> None:
        super().__init__()
        self._often = often
        self._answer = answer
        self._inner = inner

    def render(self, request: Any) -> Any:
        """The answer of the method, or klein's, or 404."""
        found = self._often(request.method, request.postpath)
        if found is not None:
            # Not cancelled when the client goes away, for the reasons of `shielded`.
            work: Deferred[None] = Deferred.fromCoroutine(self._answer(request, *found))  # type: ignore[arg-type]
            work.addErrback(request.failed)
            return NOT_DONE_YET
        try:
            unquote_to_bytes(request.path).decode("utf-8")
        except UnicodeDecodeError:
            return problem(404)
        return self._inner.render(request)


class Api:
    """The API's resource tree; `resource` is mounted at ``/api/v1``."""

    app = Klein()

    def __init__(
        self,
        sites: SiteDirectory,
        sessions: Sessions,
        grants: Grants,
        comments: Callable[[Site], Comments],
        moderation: Callable[[Site], Moderation],
        limits: Limits,
        client_address: Callable[[Any], str],
        usage: Callable[[int, ReadPreference], None] = lambda site, preference: None,
    ) -> None:
        self._usage = usage
        self._sites = sites
        self._sessions = sessions
        self._grants = grants
        self._comments = comments
        self._moderation = moderation
        self._limits = limits
        self._client_address = client_address

    def resource(self) -> Any:
        """The twisted.web resource of the whole API."""
        return Ways(self._often, self._answer, self.app.resource())

    def _often(self, method: bytes, path: list[bytes]) -> tuple[int, Handler] | None:
        """Reading, writing and voting, which klein would take 80 us to find."""
        if len(path) < 3 or path[0] != b"sites" or path[2] != b"comments" or not path[1].isdigit() or len(path[1]) > 9:
            return None
        if len(path) == 3:
            if method == b"POST":
                return int(path[1]), self._post
            return (int(path[1]), self._list) if method == b"GET" else None
        if len(path) == 5 and method == b"PUT" and path[4] == b"vote" and path[3].isdigit():
            return int(path[1]), partial(self._vote, path[3].decode("ascii"))
        return None

    def _call(self, request: Request, site_id: int, handler: Handler) -> Deferred[None]:
        """As `_answer`, for klein, which cancels what it is given when the client goes away."""
        return shielded(self._answer(request, site_id, handler))

    async def _answer(self, request: Request, site_id: int, handler: Handler) -> None:
        """Run *handler* for a site's call and write its answer, whatever happens."""
        response = await guarded(self._run(request, site_id, handler))
        cors(request, response, self._sites.find(site_id))
        request.respond(response)

    async def _run(self, request: Request, site_id: int, handler: Handler) -> Response:
        site = self._sites.get(site_id)
        call = Call(request, site, self._sessions, self._grants, self._client_address(request))
        if site.settings.private and request.method != b"OPTIONS":
            call.see()
        return await handler(call)

    @app.handle_errors(HTTPException)  # type: ignore[arg-type]
    def no_route(self, request: Request, failure: Any) -> IResource:
        """No such address, or not with that method."""
        error = failure.value
        status, methods = error.code or 404, getattr(error, "valid_methods", None) or ()
        if status < 400:
            status = 404  # werkzeug would send the caller to an address without the doubled slash
        if status == 405 and set(methods) == {"OPTIONS"}:
            status = 404  # every address has a preflight
        answer = problem(status)
        if status == 405:
            answer.headers.append((b"allow", ", ".join(sorted(methods)).encode()))
        return StaticAnswer(answer)

    @app.route("/openapi.json", methods=["GET"])
    def openapi(self, request: Request) -> IResource:
        """The API's own description."""
        return StaticAnswer(json_response(openapi.document(), 200, (b"access-control-allow-origin", b"*")))

    @app.route("/sites/<int:site_id>/<path:rest>", methods=["OPTIONS"])
    def preflight(self, request: Request, site_id: int, rest: str) -> Deferred[None]:
        """Tell a browser what its page may send."""

        async def handler(call: Call) -> Response:
            return Response(
                status=204,
                headers=[
                    (b"access-control-allow-methods", ALLOWED_METHODS),
                    (b"access-control-allow-headers", ALLOWED_HEADERS),
                    (b"access-control-max-age", b"7200"),
                ],
            )

        return self._call(request, site_id, handler)

    @app.route("/sites/<int:site_id>/sessions", methods=["POST"])
    def open_session(self, request: Request, site_id: int) -> Deferred[None]:
        """An anonymous session, or a fresh token of the one whose old token is sent."""

        async def handler(call: Call) -> Response:
            self._limits.session(call)
            return json_response(self._sessions.open(call.site, bearer(request)), 201)

        return self._call(request, site_id, handler)

    @app.route("/sites/<int:site_id>/comments", methods=["GET"])
    def list_comments(self, request: Request, site_id: int) -> Deferred[None]:
        """A page of a channel, or of the replies below a root."""
        return self._call(request, site_id, self._list)

    async def _list(self, call: Call) -> Response:
        self._limits.read(call.address)
        ref = check_channel(ChannelRef(argument(call.request, "channel")))
        call.see(ref.key)
        wish = self._reading(call, ReadPreference.PRIMARY)
        page = await self._comments(call.site).page(ref.key, wanted(call.request), preference=wish)
        return sourced(json_response(b"{" + page.value + b"}"), wish)

    @app.route("/sites/<int:site_id>/comments", methods=["POST"])
    def post_comment(self, request: Request, site_id: int) -> Deferred[None]:
        """Write a comment."""
        return self._call(request, site_id, self._post)

    async def _post(self, call: Call) -> Response:
        request = call.request
        session = call.session()
        key = idempotency_key(request)
        sent = body(request, PostBody, mend=True)
        call.see(sent.channel.key)
        parent = None if sent.parent is None else parse_id(sent.parent, "parent")
        self._limits.post(call)
        written = await self._comments(call.site).post(
            session,
            ChannelRef(sent.channel.key, page_url(sent.channel.url, call.page), page_title(sent.channel.title)),
            sent.text,
            sent.name,
            parent=parent,
            address=call.address,
            idempotency_key=key,
        )
        answer = self._written(request, written, 201)
        if written.replayed:
            answer.headers.append((b"idempotent-replayed", b"true"))
        return answer

    @app.route("/sites/<int:site_id>/comments/<comment_id>", methods=["GET"])
    def get_comment(self, request: Request, site_id: int, comment_id: str) -> Deferred[None]:
        """One comment."""

        async def handler(call: Call) -> Response:
            self._limits.read(call.address)
            call.see_all()
            wish = self._reading(call, ReadPreference.PRIMARY)
            json = await self._comments(call.site).one(parse_id(comment_id), call.visitor(), wish)
            return sourced(json_response(b'{"comment":' + json + b"}"), wish)

        return self._call(request, site_id, handler)

    @app.route("/sites/<int:site_id>/comments/<comment_id>", methods=["PATCH"])
    def edit_comment(self, request: Request, site_id: int, comment_id: str) -> Deferred[None]:
        """Change one's own comment."""

        async def handler(call: Call) -> Response:
            session, comment = call.session(), parse_id(comment_id)
            sent = body(request, EditBody)
            self._limits.vote(call)
            await self._see_comment(call, comment)
            edited = await self._comments(call.site).edit(session, comment, sent.text, address=call.address)
            return self._written(request, edited)

        return self._call(request, site_id, handler)

    @app.route("/sites/<int:site_id>/comments/<comment_id>", methods=["DELETE"])
    def delete_comment(self, request: Request, site_id: int, comment_id: str) -> Deferred[None]:
        """Take one's own comment away."""

        async def handler(call: Call) -> Response:
            session, comment = call.session(), parse_id(comment_id)
            self._limits.vote(call)
            await self._see_comment(call, comment)
            return self._written(request, await self._comments(call.site).delete(session, comment))

        return self._call(request, site_id, handler)

    @app.route("/sites/<int:site_id>/comments/<comment_id>/vote", methods=["PUT"])
    def vote(self, request: Request, site_id: int, comment_id: str) -> Deferred[None]:
        """Vote on a comment."""
        return self._call(request, site_id, partial(self._vote, comment_id))

    async def _vote(self, comment_id: str, call: Call) -> Response:
        session, comment = call.session(), parse_id(comment_id)
        value = body(call.request, VoteBody).value
        if not call.site.settings.votes:
            raise NotFound("This site takes no votes.")
        self._limits.vote(call)
        await self._see_comment(call, comment)
        voted = await self._comments(call.site).vote(session, comment, value, address=call.address)
        answer = json_response(
            {
                "id": comment_id,
                "up": voted.up,
                "down": voted.down,
                "score": voted.up - voted.down,
                "value": voted.value,
                "position": str(voted.position),
            }
        )
        return after_write(call.request, answer)

    @app.route("/sites/<int:site_id>/comments/<comment_id>/flags", methods=["POST"])
    def flag(self, request: Request, site_id: int, comment_id: str) -> Deferred[None]:
        """Report a comment to the moderators."""

        async def handler(call: Call) -> Response:
            session, comment = call.session(), parse_id(comment_id)
            sent = body(request, FlagBody)
            self._limits.vote(call)
            await self._see_comment(call, comment)
            await self._moderation(call.site).flag(session, comment, sent.reason or "", address=call.address)
            return json_response({}, 201)

        return self._call(request, site_id, handler)

    @app.route("/sites/<int:site_id>/blocks", methods=["GET"])
    def list_blocks(self, request: Request, site_id: int) -> Deferred[None]:
        """Whom this visitor blocks."""

        async def handler(call: Call) -> Response:
            session = call.session()
            self._limits.read(call.address)
            wish = self._reading(call, ReadPreference.PRIMARY)
            blocked = await self._moderation(call.site).blocked(session, wish)
            return sourced(json_response({"blocked": blocked}), wish)

        return self._call(request, site_id, handler)

    @app.route("/sites/<int:site_id>/blocks/<author_id>", methods=["PUT", "DELETE"])
    def block(self, request: Request, site_id: int, author_id: str) -> Deferred[None]:
        """Block or unblock an author for this visitor."""

        async def handler(call: Call) -> Response:
            session = call.session()
            author = parse_id(author_id, "author")
            self._limits.vote(call)
            moderation = self._moderation(call.site)
            if request.method == b"PUT":
                await moderation.block(session, author)
            else:
                await moderation.unblock(session, author)
            return Response(status=204, headers=[], body=b"")

        return self._call(request, site_id, handler)

    @app.route("/sites/<int:site_id>/counts", methods=["GET"])
    def counts(self, request: Request, site_id: int) -> Deferred[None]:
        """How many comments each of up to 100 channels shows."""

        async def handler(call: Call) -> Response:
            self._limits.read(call.address)
            raw = request.args.get(b"channel", [])
            if not 1 <= len(raw) <= 100:
                raise BadField("Ask for 1 to 100 channels.", field="channel")
            try:
                keys = [check_channel(ChannelRef(key.decode("utf-8"))).key for key in raw]
            except UnicodeDecodeError:
                raise BadField("channel is not UTF-8.", field="channel") from None
            for key in keys:
                call.see(key)
            wish = self._reading(call, ReadPreference.NEAREST)
            wish.after = 0  # of which channel?
            counts = await self._comments(call.site).counts(keys, wish, positions(request, keys))
            return sourced(json_response({"counts": counts}), wish)

        return self._call(request, site_id, handler)

    async def _see_comment(self, call: Call, comment: int) -> None:
        """Make sure that the caller may see the channel of a comment: before each write that names a comment alone."""
        await call.see_channel_of(partial(self._comments(call.site).channel_of, comment))

    def _reading(self, call: Call, default: ReadPreference) -> Reading:
        """What the caller wishes of a read, which is counted."""
        wish = reading(call.request, default)
        self._usage(call.site.id, wish.preference)
        return wish

    def _written(self, request: Request, written: Written, status: int = 200) -> Response:
        parts = [b'"position":' + msgspec.json.encode(str(written.position))]
        if written.comment:
            parts.insert(0, b'"comment":' + written.comment)
        return after_write(request, json_response(b"{" + b",".join(parts) + b"}", status))
