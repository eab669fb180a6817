"""Webhooks: a site's own server is told of every change of a comment.

The request is signed with the site's secret:

    X-Cackle-Event-Id: 123                       the same for every try: by it a receiver knows a repetition
    X-Cackle-Timestamp: 1763720000               seconds since 1970, of this try
    X-Cackle-Signature: sha256=HEX               HMAC-SHA256(secret, timestamp + "." + body)

and the body is ``{"id","type","site","position","created","data"}``. Any 2xx is a success, 410 ends the matter.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from hashlib import sha256

from cackled.domain.outbox import GiveUp, Retry, Work
from cackled.domain.sites import SiteDirectory

# Asks POST of (URL, headers, body); gives the status, raises ValueError for what may never be asked, else OSError.
Send = Callable[[str, list[tuple[bytes, bytes]], bytes], Awaitable[int]]


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """The value of X-Cackle-Signature."""
    return "sha256=" + hmac.new(secret.encode(), b"%d." % timestamp + body, sha256).hexdigest()


class Webhooks:
    """The outbox's handler of kind ``webhook``."""

    def __init__(self, sites: SiteDirectory, send: Send, wall_time: Callable[[], float]) -> None:
        self._sites = sites
        self._send = send
        self._wall_time = wall_time

    async def deliver(self, work: Work) -> None:
        """Send one event to where the site wants it now.

        Raises:
            Retry, GiveUp
        """
        site = self._sites.find(work.site)
        if site is None or not site.settings.webhook_url:
            raise GiveUp("the site has no webhook any more")
        body = (
            f'{{"id":"{work.id}","site":"{work.site}","created":{int(work.created)},{work.body[1:]}'
        ).encode()  # the row's body is an object with type, position and data
        now = int(self._wall_time())
        headers = [
            (b"Content-Type", b"application/json"),
            (b"X-Cackle-Event-Id", b"%d" % work.id),
            (b"X-Cackle-Timestamp", b"%d" % now),
        ]
        if site.settings.webhook_secret:
            signed = signature(site.settings.webhook_secret, now, body)
            headers.append((b"X-Cackle-Signature", signed.encode("ascii")))
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
