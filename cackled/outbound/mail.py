"""Sends a message to the one mail server that the operator named: over TLS unless told otherwise, bounded in time.

Trying again is the caller's business: what the server refuses for good is `Undeliverable`, everything else `NotSent`.
"""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP
from io import BytesIO
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates

from cackled import config
from cackled.outbound.post import NotSent

# Twisted's client makes line ends and dots fit for the wire.
_LINES = SMTP.clone(linesep="\n")
PORTS = {"starttls": 587, "tls": 465, "none": 25}


class Undeliverable(ValueError):
    """The server will never take it; the message is for the operator."""


class Mailer:
    """Sends by ``[mail]``.

    Raises:
        config.ConfigError: its files can't be used.
    """

    def __init__(self, reactor: Any, settings: config.Mail) -> None:
        self._reactor = reactor
        self._settings = settings
        self._port = settings.port or PORTS[settings.tls]
        self._password = _read(settings.password_file).strip() if settings.password_file else ""
        if settings.username and not settings.password_file:
            raise config.ConfigError("[mail] username without password_file")
        self._trust: Any = None
        if settings.ca_file:
            try:
                self._trust = trustRootFromCertificates([Certificate.loadPEM(_read(settings.ca_file).encode())])
            except Exception as error:
                raise config.ConfigError(f"{settings.ca_file} is no certificate") from error

    async def send(self, to: str, message: EmailMessage) -> None:
        """Hand *message* over to the mail server, for the address *to*.

        Raises:
            NotSent: not now; Undeliverable: never.
        """
        # Not above: it brings a reactor along, and ours is chosen at the start.
        from twisted.mail import smtp

        settings = self._settings
        text = message.as_bytes(policy=_LINES)
        done: Deferred[Any] = Deferred()
        secured: Any = self._options() if settings.tls != "none" else None
        factory = smtp.ESMTPSenderFactory(
            settings.username.encode() or None, self._password.encode(), settings.sender, to, BytesIO(text), done,
            retries=0, contextFactory=secured if settings.tls == "starttls" else None,
            requireAuthentication=bool(settings.username), requireTransportSecurity=settings.tls == "starttls",
        )  # fmt: skip
        endpoint: Any = HostnameEndpoint(self._reactor, settings.host, self._port, timeout=settings.timeout)
        if settings.tls == "tls":
            endpoint = wrapClientTLS(secured, endpoint)
        try:
            protocol = await endpoint.connect(factory)
        except Exception as error:
            raise NotSent(f"the mail server can't be reached: {error}") from None
        # An endpoint's protocol tells no connector: the end is seen here, whatever it was.
        lost = protocol.connectionLost

        def ended(reason: Any) -> None:
            lost(reason)
            if not done.called:
                factory.sendFinished = True
                done.errback(NotSent(f"the mail server ended the connection: {reason.getErrorMessage()}"))

        protocol.connectionLost = ended
        try:
            await done.addTimeout(settings.timeout, self._reactor)
        except NotSent:
            raise
        except smtp.SMTPClientError as error:
            said = error.resp.decode("utf-8", "replace") if isinstance(error.resp, bytes) else str(error.resp)
            words = f"the mail server said {error.code} {said[:300]}"
            if 500 <= error.code < 600 and isinstance(error, smtp.SMTPDeliveryError):
                raise Undeliverable(words) from None
            raise NotSent(words) from None
        except Exception as error:
            raise NotSent(f"{type(error).__name__}: {error}") from None
        finally:
            if protocol.transport is not None:
                protocol.transport.abortConnection()

    def _options(self) -> Any:
        if self._trust is None:
            return optionsForClientTLS(self._settings.host)
        return optionsForClientTLS(self._settings.host, trustRoot=self._trust)


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8-sig")
    except OSError as error:
        raise config.ConfigError(f"{path}: {error.strerror or error}") from None
