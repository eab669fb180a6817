"""The common parts of calls: cancellation that does not reach the work, faults as problems, addresses without IP."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from cackled.api.calls import guarded, refusal, unavailable
from cackled.database.errors import Busy, DatabaseError, QueryFailed, QueryTimeout, Unavailable
from cackled.domain.errors import NotFound, TooFast, Unauthorized
from cackled.transport.response import Response


class GuardedTests(SynchronousTestCase):
    """`guarded` and the problem documents."""

    def run_with(self, error: Exception) -> Response:
        async def work() -> Response:
            raise error

        return self.successResultOf(Deferred.fromCoroutine(guarded(work())))

    def test_faults(self) -> None:
        """Each kind of error has its status; words of the inside stay inside."""
        for error, status, wait in (
            (NotFound("no"), 404, None),
            (TooFast(0.1), 429, b"1"),
            (TooFast(7.2), 429, b"8"),
            (Unavailable(0.2), 503, b"1"),
            (Busy(3.0), 503, b"4"),
            (QueryTimeout("secret"), 503, b"2"),
            (DatabaseError("secret"), 503, b"2"),
            (QueryFailed("22P02", "secret"), 500, None),
        ):
            answer = self.run_with(error)
            self.assertEqual((answer.status, answer.header(b"retry-after")), (status, wait), error)
            self.assertNotIn(b"secret", answer.body)
            self.assertEqual(answer.header(b"content-type"), b"application/problem+json")
            self.assertIsNone(answer.ttl)

    def test_bugs(self) -> None:
        """An error that nobody thought of goes on to whoever logs it."""

        async def work() -> Response:
            raise ZeroDivisionError

        self.failureResultOf(Deferred.fromCoroutine(guarded(work())), ZeroDivisionError)

    def test_headers(self) -> None:
        """401 names its scheme; a wait is never told as 0, nor too short."""
        self.assertEqual(refusal(Unauthorized()).header(b"www-authenticate"), b'Bearer realm="cackled"')
        self.assertEqual(unavailable(0.0).header(b"retry-after"), b"1")
        self.assertEqual(unavailable(2.4).header(b"retry-after"), b"3")
