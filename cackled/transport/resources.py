"""Resources whose handlers are coroutines that return a Response."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.web.error import UnsupportedMethod
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from cackled.transport._request import Request
from cackled.transport.response import Response

Handler = Callable[[Request], Awaitable[Response]]


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
