"""Sends mail to the mail server that the operator configured, within a time limit. Over TLS unless set otherwise.

There are no retries here. `Undeliverable` means that the server refused for good; `NotSent` means that the caller may
try again.
"""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP
from io import BytesIO
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from cackled import config
from cackled.outbound.post import NotSent

# Only this newline: Twisted's client converts line ends and escapes dots itself.
_LINES = SMTP.clone(linesep="\n")
PORTS = {"starttls": 587, "tls": 465, "none": 25}


class Undeliverable(ValueError):
    """The server refused the mail for good; the message is for the operator."""


class Mailer:
    """Sends mail as the section ``[mail]`` of the configuration says.

    Raises:
        config.ConfigError: a file that the section names can't be used.
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
            from twisted.internet.ssl import Certificate, trustRootFromCertificates

            try:
                self._trust = trustRootFromCertificates([Certificate.loadPEM(_read(settings.ca_file).encode())])
            except Exception as error:
                raise config.ConfigError(f"{settings.ca_file} is no certificate") from error

    async def send(self, to: str, message: EmailMessage) -> None:
        """Give *message* for the address *to* to the mail server.

        Raises:
            NotSent: it failed this time.
            Undeliverable: the server refused it for good.
        """
        # Imported here, because the import of smtp installs a reactor and ours is chosen when the daemon starts.
        from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
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
        # With an endpoint there is no connector to report a lost connection, so every end is noticed here.
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
        from twisted.internet.ssl import optionsForClientTLS

        if self._trust is None:
            return optionsForClientTLS(self._settings.host)
        return optionsForClientTLS(self._settings.host, trustRoot=self._trust)


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8-sig")
    except OSError as error:
        raise config.ConfigError(f"{path}: {error.strerror or error}") from None
