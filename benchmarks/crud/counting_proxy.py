"""A TCP proxy in front of a database that counts round trips.

One round trip: the client says something after the server has spoken. Whatever a
driver sends in one go, however many messages it holds, is one.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class CountingProxy:
    """Forwards to `host:port`; `count` rises by one for each round trip."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self.count = 0
        self.port = 0

    async def serve(self) -> asyncio.Server:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        to_server = await asyncio.open_connection(*self._target)
        server_spoke = True

        async def forth() -> None:
            nonlocal server_spoke
            while data := await reader.read(65536):
                self.count += server_spoke
                server_spoke = False
                to_server[1].write(data)
            to_server[1].close()

        async def back() -> None:
            nonlocal server_spoke
            while data := await to_server[0].read(65536):
                server_spoke = True
                writer.write(data)
            writer.close()

        await asyncio.gather(forth(), back(), return_exceptions=True)


@contextmanager
def counting(host: str, port: int) -> Iterator[CountingProxy]:
    """Run a proxy on a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    proxy = CountingProxy(host, port)
    server = asyncio.run_coroutine_threadsafe(proxy.serve(), loop).result(10)
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
