"""Resources whose handlers are coroutines that return a Response."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.web.error import UnsupportedMethod
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET

from cackled.transport._request import Request
from cackled.transport.problems import problem
from cackled.transport.response import Response

Handler = Callable[[Request], Awaitable[Response]]


class Folder(Resource):
    """A table of names; there is nothing at its own address.

    A leaf in it answers at its own address only, unless it says ``takes_rest``: a cache before us that takes "/x/y.css"
    for a file must not be given "/x" by that name. Works under any ``twisted.web.server.Site``.
    """

    def getChildWithDefault(self, path: bytes, request: Any) -> IResource:
        """What stands under *path*; nothing where more follows than it takes."""
        child: Any = super().getChildWithDefault(path, request)
        beyond = child.isLeaf and request.postpath and not getattr(child, "takes_rest", False)
        return Folder() if beyond else child

    def getChild(self, path: bytes, request: Any) -> IResource:
        """Where nothing stands."""
        return Folder()

    def render(self, request: Any) -> bytes:
        """Answer 404."""
        return put(request, problem(404, "not-found", "Not Found"))


def put(request: Any, response: Response) -> bytes:
    """Give *request* the status and headers of *response*; its body is for ``render`` to return."""
    request.setResponseCode(response.status)
    for name, value in response.headers:
        request.setHeader(name, value)
    request.setHeader(b"content-length", b"%d" % len(response.body))
    return response.body


class AsyncResource(Resource):
    """Answers every request below it with what *handler* returns.

    The handler is a coroutine function of the request (``request.method``, ``path``, ``args``, ``content``, ...). An
    exception becomes a logged failure and a 500 without details. When the client leaves, the handler is cancelled
    only with *cancel* (then it must be safe to stop anywhere); otherwise it runs to its end and its answer is dropped.
    With *methods*, others are 405; HEAD is answered by GET.
    """

    isLeaf = True

    def __init__(self, handler: Handler, methods: tuple[bytes, ...] = (), *, cancel: bool = False) -> None:
        super().__init__()
        self._handler = handler
        self._cancel = cancel
        self.allowedMethods = methods

    def render(self, request: Any) -> int:
        """Start the handler."""
        if self.allowedMethods and request.method not in self.allowedMethods:
            raise UnsupportedMethod(self.allowedMethods)
        run(request, self._handler, cancel=self._cancel)
        return NOT_DONE_YET


def run(request: Request, handler: Handler, *, cancel: bool = False) -> None:
    """Answer *request* with what *handler* returns, as `AsyncResource` does."""
    try:
        result = handler(request)
    except Exception:
        request.failed(Failure())
        return
    done: Deferred[Response] = result if isinstance(result, Deferred) else Deferred.fromCoroutine(result)  # type: ignore[arg-type]
    if done.called and isinstance(getattr(done, "result", None), Response):
        request.respond(done.result)  # type: ignore[arg-type]
        return
    if cancel:
        request.notifyFinish().addErrback(lambda _: done.cancel())
    done.addCallbacks(request.respond, _failed, errbackArgs=(request,))
    done.addErrback(request.failed)


def _failed(failure: Failure, request: Request) -> None:
    if failure.check(CancelledError) and request._disconnected:
        return
    request.failed(failure)
