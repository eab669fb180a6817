"""The errors of this package: a few classes, by what a caller can do about them."""

from __future__ import annotations


class DatabaseError(Exception):
    """Base of all errors of this package."""


class Unavailable(DatabaseError):
    """No server can answer now; try again after ``retry_after`` seconds.

    A write that fails with this may have been carried out: repeat it with the same idempotency key.
    """

    def __init__(self, retry_after: float = 1.0, reason: str = "the database does not answer") -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Busy(Unavailable):
    """The queue for connections is full, or the query waited in it too long. The query was not sent."""

    def __init__(self, retry_after: float = 1.0, reason: str = "too many queries are waiting") -> None:
        super().__init__(retry_after, reason)


class ConnectionLost(Unavailable):
    """The connection ended while the query was under way."""

    def __init__(self, retry_after: float = 1.0, reason: str = "the database connection was lost") -> None:
        super().__init__(retry_after, reason)


class QueryTimeout(DatabaseError):
    """The server ended the query at ``statement_timeout``; it had no effect."""


class QueryFailed(DatabaseError):
    """The server refused the query, or the arguments can't be sent.

    ``sqlstate`` is PostgreSQL's five-letter code (appendix A of its manual) or one that a function of ours raised.
    ``constraint`` is the name of the violated constraint, or "".
    """

    def __init__(self, sqlstate: str, message: str, constraint: str = "") -> None:
        super().__init__(f"{sqlstate}: {message}")
        self.sqlstate = sqlstate
        self.message = message
        self.constraint = constraint


class Moved(Unavailable):
    """The site is being moved to another shard, or was. Nothing was done: ask again, there once it is known."""
