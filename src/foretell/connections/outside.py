"""The way out of the server: what it may reach, its keys and its connectors."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import SecretStr

from foretell.auth.seal import Seal
from foretell.connections.addresses import Addresses
from foretell.connections.addressing import Said
from foretell.connections.errors import FileForbidden
from foretell.connections.kinds import kind_of
from foretell.core.connectors import GROUP, Connector, Target
from foretell.core.plugins import load_plugin


class Outside:
    """What one process needs to reach outside databases.

    Args:
        files: The folder of SQLite files; no other file is opened.
        own: What makes the connectors of extensions, by kind.
        timeout_seconds: Longest run of one statement there.
    """

    def __init__(
        self,
        seal: Seal,
        addresses: Addresses,
        files: Path,
        own: Mapping[str, Callable[[], Connector]],
        timeout_seconds: float,
    ) -> None:
        self.seal = seal
        self._addresses = addresses
        self._files = files
        self._own = own
        self._timeout_seconds = timeout_seconds

    def demand_allowed(self, said: Said) -> None:
        """Refuse a place that is closed, as far as can be told without looking it up.

        Raises:
            AddressForbidden, FileForbidden: It is.
        """
        if said.path is not None:
            self._file(said.path)
        if said.host:
            self._addresses.refuse_literal(said.host, said.port)

    async def connector(self, kind: str) -> Connector:
        """The connector of a kind.

        Raises:
            PluginMissing: Nobody offers one.
        """
        if kind in self._own:
            return self._own[kind]()
        # Importing a driver takes tens of milliseconds: not on the event loop.
        made = await asyncio.to_thread(load_plugin, GROUP, kind)
        connector: Connector = made()
        return connector

    async def target(self, said: Said) -> Target:
        """Where to connect to, looked up and checked.

        Raises:
            AddressForbidden, FileForbidden, ConnectionUnreachable.
        """
        if kind_of(said.kind).is_file:
            path = await asyncio.to_thread(self._file, said.path or "")
            return Target(said.kind, path=path, timeout_seconds=self._timeout_seconds)
        address = await self._addresses.resolve(said.host, said.port)
        return Target(
            said.kind,
            host=said.host,
            address=address,
            port=said.port,
            database=said.database,
            username=said.username,
            password=said.password or SecretStr(""),
            tls=said.tls,
            tls_ca=said.tls_ca,
            timeout_seconds=self._timeout_seconds,
        )

    def _file(self, name: str) -> Path:
        """The file of that name, links resolved, if it is in the folder."""
        folder = self._files.resolve()
        if "\x00" in name or name.startswith(("file:", ":")):
            raise FileForbidden
        path = (folder / name).resolve()
        if path == folder or not path.is_relative_to(folder):
            raise FileForbidden
        return path
