"""TXT records of names that strangers choose, asked of resolvers of our own choice; bounded in time and number."""

from __future__ import annotations

from typing import Any

# Seconds to wait for each of three tries.
TIMEOUTS = (1, 2, 4)
MOST_RECORDS, LONGEST_RECORD = 50, 1_000


class TextRecords:
    """Asks the server *address* (``address`` or ``address:port``); without one, those of the system."""

    def __init__(self, reactor: Any, address: str = "") -> None:
        self._reactor = reactor
        self._address = address
        self._resolver: Any = None

    async def __call__(self, name: str) -> list[str]:
        """The TXT records of *name*, the strings of each put together (RFC 7208 section 3.3).

        Raises:
            OSError: nobody answers, or the name does not exist; the message says which.
        """
        # Imported here, because the import installs a reactor and ours is chosen when the daemon starts.
        from twisted.names import dns, error

        try:
            answers, _, _ = await self._own().lookupText(name, TIMEOUTS)
        except error.DNSNameError:
            raise OSError(f"there is no name {name}") from None
        except Exception as failed:
            raise OSError(f"the name servers give no answer ({type(failed).__name__})") from None
        found = [record.payload for record in answers if record.type == dns.TXT][:MOST_RECORDS]
        return [b"".join(one.data)[:LONGEST_RECORD].decode("utf-8", "replace") for one in found]

    def _own(self) -> Any:
        from twisted.names import client

        if self._resolver is None:
            if self._address:
                host, _, port = self._address.rpartition(":") if ":" in self._address else (self._address, "", "53")
                self._resolver = client.Resolver(servers=[(host, int(port))], reactor=self._reactor)
            else:
                self._resolver = client.Resolver(resolv="/etc/resolv.conf", reactor=self._reactor)
        return self._resolver
