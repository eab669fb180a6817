"""What a webhook's request looks like, and how it is signed.

The headers are those of Standard Webhooks (https://github.com/standard-webhooks, specification 1.0.0):

    webhook-id: msg_1_123                        the same for every try: by it a receiver knows a repetition
    webhook-timestamp: 1763720000                seconds since 1970, of this try
    webhook-signature: v1,BASE64 v1,BASE64       base64 of HMAC-SHA256(secret, id + "." + timestamp + "." + body), one
                                                 for each secret that holds while they are changed

A secret that begins with ``whsec_`` is base64 of what signs; any other signs as it is. Beside these stand the headers
of before, signed with the newest secret:

    X-Cackle-Event-Id: 123
    X-Cackle-Timestamp: 1763720000
    X-Cackle-Signature: sha256=HEX               HMAC-SHA256(secret, timestamp + "." + body)

The body is ``{"id","type","site","position","created","timestamp","data"}``. Any 2xx is a success, 410 ends the matter.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.domain.outbox import GiveUp, Retry, Work
from cackled.domain.sites import SiteDirectory
from cackled.events import Position

# Asks POST of (URL, headers, body); gives the status, raises ValueError for what may never be asked, else OSError.
Send = Callable[[str, list[tuple[bytes, bytes]], bytes], Awaitable[int]]

SECRET_PREFIX = "whsec_"
# Bytes of a new secret; the specification wants 24 to 64.
SECRET_BYTES = 32

SELECT_EVENT_DATA = Query(
    "select_event_data",
    """
    select data from event where site_id = $1 and channel_id = $2 and seq = $3
      and created_at >= to_timestamp($4) - interval '1 hour'
    """,
    ("int", "bigint", "bigint", "float8"),
)


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """The value of X-Cackle-Signature."""
    return "sha256=" + hmac.new(secret.encode(), b"%d." % timestamp + body, sha256).hexdigest()


def new_secret(random: Any) -> str:
    """A secret that nobody can guess; *random* is a source of the operating system (`random.SystemRandom`)."""
    return SECRET_PREFIX + base64.b64encode(random.randbytes(SECRET_BYTES)).decode("ascii")


def standard_signature(secrets: Sequence[str], message: str, timestamp: int, body: bytes) -> str:
    """The value of ``webhook-signature`` for the message id *message*: one signature for each of *secrets*."""
    signed = f"{message}.{timestamp}.".encode() + body
    return " ".join(
        "v1," + base64.b64encode(hmac.new(_signer(one), signed, sha256).digest()).decode("ascii") for one in secrets
    )


def _signer(secret: str) -> bytes:
    if secret.startswith(SECRET_PREFIX):
        try:
            return base64.b64decode(secret[len(SECRET_PREFIX) :], validate=True)
        except (binascii.Error, ValueError):
            # An owner's own text that only looks like one.
            pass
    return secret.encode()


def headers_of(
    message: str, number: int, timestamp: int, body: bytes, secrets: Sequence[str]
) -> list[tuple[bytes, bytes]]:
    """The headers of a request: *message* and *number* identify what it tells, *secrets* sign it, the newest first."""
    made = [
        (b"Content-Type", b"application/json"),
        (b"webhook-id", message.encode("ascii")),
        (b"webhook-timestamp", b"%d" % timestamp),
        (b"X-Cackle-Event-Id", b"%d" % number),
        (b"X-Cackle-Timestamp", b"%d" % timestamp),
    ]
    if secrets:
        made.append((b"webhook-signature", standard_signature(secrets, message, timestamp, body).encode("ascii")))
        made.append((b"X-Cackle-Signature", signature(secrets[0], timestamp, body).encode("ascii")))
    return made


def body_of(number: int, site: int, created: float, type_: str, position: str, data: str) -> bytes:
    """The body of a request that tells an event: *data* is its JSON text, *created* in seconds since 1970."""
    at = datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return (
        f'{{"id":"{number}","site":"{site}","created":{int(created)},"timestamp":"{at}","type":"{type_}",'
        f'"position":"{position}","data":{data}}}'
    ).encode()


class Webhooks:
    """The outbox's handler of kind ``webhook``: what goes to the address in a site's settings.

    With *database* an event is told as the log has it when it is sent: words that went meanwhile are not sent.
    """

    def __init__(
        self, sites: SiteDirectory, send: Send, wall_time: Callable[[], float], database: Database | None = None
    ) -> None:
        self._sites = sites
        self._send = send
        self._wall_time = wall_time
        self._database = database

    async def deliver(self, work: Work) -> None:
        """Send one event to where the site wants it now.

        Raises:
            Retry, GiveUp
        """
        site = self._sites.find(work.site)
        if site is None or not site.settings.webhook_url:
            raise GiveUp("the site has no webhook any more")
        told = await self._told(work)
        body = f'{{"id":"{work.id}","site":"{work.site}","created":{int(work.created)},{told[1:]}'.encode()
        secrets = [site.settings.webhook_secret] if site.settings.webhook_secret else []
        headers = headers_of(f"msg_{work.site}_s{work.id}", work.id, int(self._wall_time()), body, secrets)
        try:
            status = await self._send(site.settings.webhook_url, headers, body)
        except ValueError as error:
            raise GiveUp(str(error)) from None
        except OSError as error:
            raise Retry(str(error)) from None
        if status == 410:
            raise GiveUp("the receiver answered 410")
        if not 200 <= status < 300:
            raise Retry(f"the receiver answered {status}")

    async def _told(self, work: Work) -> str:
        """The row's body, an object with type, position and data, in this order; its data as they are now."""
        head, found, _ = work.body.partition('"data":')
        at = head.partition('"position":"')[2].partition('"')[0]
        if self._database is None or not found or not at:
            return work.body
        position = Position.parse(at)
        rows = await self._database.site(work.site).read(
            SELECT_EVENT_DATA, work.site, position.channel, position.seq, work.created,
            preference=ReadPreference.PRIMARY,
        )  # fmt: skip
        if not rows.rows:
            raise GiveUp("the event is no longer in the log")
        return f"{head}{found}{rows.rows[0][0]}}}"
