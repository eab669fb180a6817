"""The network of `cackled.admin.devcluster`: node N at 127.0.0.N, with links between nodes that can be cut.

Node A reaches node B at 127.0.A.B. There a relay in this process listens on B's ports and passes the bytes on. A link
that is cut passes nothing and reports nothing, like an unplugged cable; bytes under way arrive when it is mended.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

CHUNK = 65_536
PATIENCE = 10.0


class Loopback:
    """Loopback addresses. `cut` and `mend` act on what goes through the addresses of `reach`."""

    # Further settings of PostgreSQL.
    settings: dict[str, str] = {}

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wires", daemon=True)
        self._open: dict[frozenset[int], asyncio.Event] = {}
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, numbers: Sequence[int], ports: Sequence[int]) -> None:
        """Start a relay from each node to each other node, for *ports*."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._lay(numbers, ports), self._loop).result(PATIENCE)

    async def _lay(self, numbers: Sequence[int], ports: Sequence[int]) -> None:
        for one in numbers:
            for other in numbers:
                if one == other:
                    continue
                gate = self._open.setdefault(frozenset((one, other)), asyncio.Event())
                gate.set()
                for port in ports:
                    await self._listen(gate, self.reach(one, other), self.address(other), port)

    async def _listen(self, gate: asyncio.Event, here: str, there: str, port: int) -> None:
        async def came(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await gate.wait()
                far_reader, far_writer = await asyncio.open_connection(there, port)
            except OSError:
                writer.transport.abort()
                return
            for source, target in ((reader, far_writer), (far_reader, writer)):
                task = asyncio.ensure_future(self._pass(gate, source, target))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

        self._servers.append(await asyncio.start_server(came, here, port))

    @staticmethod
    async def _pass(gate: asyncio.Event, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(CHUNK):
                await gate.wait()
                target.write(data)
                await target.drain()
            await gate.wait()
            target.close()
        except OSError:
            target.transport.abort()

    def address(self, number: int) -> str:
        """The address of node *number*."""
        return f"127.0.0.{number}"

    def console(self, number: int) -> str:
        """The address of a node's telnet console, which must be loopback."""
        return self.address(number)

    def reach(self, one: int, other: int) -> str:
        """The address at which node *one* reaches node *other*."""
        return self.address(other) if one == other else f"127.0.{one}.{other}"

    @contextmanager
    def inside(self, number: int) -> Iterator[None]:
        """A context in which started processes run on node *number*."""
        yield

    def cut(self, one: int, other: int) -> None:
        """Cut the link between two nodes."""
        self._loop.call_soon_threadsafe(self._open[frozenset((one, other))].clear)

    def mend(self, one: int, other: int) -> None:
        """Mend the link between two nodes."""
        self._loop.call_soon_threadsafe(self._open[frozenset((one, other))].set)

    def stop(self) -> None:
        """Stop all relays. May be called again."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._clear(), self._loop).result(PATIENCE)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(PATIENCE)
            self._loop.close()

    async def _clear(self) -> None:
        for server in self._servers:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
