"""Where this server may connect to on behalf of a user.

A name is looked up once, its addresses are checked, and the connection goes to the one
that passed: nobody can answer the second look-up with another address. Public addresses
are open on ports from 1024 up; everything else, loopback above all, is closed unless an
admin has listed it. Names in the list mean the name, whatever it resolves to.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from foretell.connections.errors import AddressForbidden, ConnectionUnreachable
from foretell.settings import Settings, SettingsError

_LOOKUP_SECONDS = 5.0
_LOWEST_PORT = 1024
_NAT64 = (
    ipaddress.ip_network("64:ff9b::/96"),
    ipaddress.ip_network("64:ff9b:1::/48"),
)
_NAME = re.compile(r"[\w.-]{1,253}")
_NUMBERS = re.compile(r"[0-9.]+")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Allowed:
    """One entry of the list: a network or a name, with a port or for all."""

    network: Network | None
    name: str
    port: int | None

    @classmethod
    def parse(cls, text: str) -> "Allowed":
        """Read `127.0.0.1:5432`, `10.0.0.0/8`, `[::1]:6379` or `db.internal`.

        Raises:
            ValueError: It is none of these.
        """
        host, port = text.strip(), None
        if "://" in host or "@" in host:
            raise ValueError(f"{text!r} is a URL")
        bare = host.startswith("[") or host.count(":") == 1
        if bare and ":" in host.rpartition("]")[2]:
            host, _, digits = host.rpartition(":")
            port = int(digits) if digits.isascii() and digits.isdigit() else 0
            if not 0 < port < 65536:
                raise ValueError(f"{text!r} names no port from 1 to 65535")
        host = host.removeprefix("[").removesuffix("]")
        if not host or " " in host:
            raise ValueError(f"{text!r} names no host")
        try:
            return cls(ipaddress.ip_network(host, strict=False), "", port)
        except ValueError:
            if "/" in host:
                raise ValueError(f"{text!r} is no network") from None
            if not _NAME.fullmatch(host) or _NUMBERS.fullmatch(host):
                raise ValueError(f"{text!r} is neither an address nor a name") from None
            return cls(None, host.lower(), port)

    def covers(self, host: str, address: Address, port: int) -> bool:
        if self.port not in (None, port):
            return False
        if self.network is None:
            return self.name == host.lower()
        if address.version != self.network.version or address not in self.network:
            return False
        # Metadata services live there; a wide network must not open them by accident.
        return not address.is_link_local or self.network.is_link_local


def allowed_addresses(settings: Settings) -> "Addresses":
    """Where the settings let connections go.

    Raises:
        SettingsError: An entry of CONNECTION_ALLOW cannot be read.
    """
    try:
        return Addresses(settings.connection_allow)
    except ValueError as error:
        raise SettingsError(
            f"FORETELL_CONNECTION_ALLOW: {error}. Write addresses, networks or names,"
            " with commas between: 127.0.0.1:5432, 10.0.0.0/8, [::1]:6379,"
            " db.internal:3306."
        ) from None


class Addresses:
    """Looks names up and says where it may go."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._allowed = tuple(Allowed.parse(text) for text in allowed)

    def refuse_literal(self, host: str, port: int) -> None:
        """Refuse an address that is written out and closed, before it is stored.

        Raises:
            AddressForbidden: It is.
        """
        named = host.lower().rstrip(".")
        if named == "localhost" or named.endswith(".localhost"):
            address: Address = ipaddress.ip_address("127.0.0.1")
        else:
            try:
                address = ipaddress.ip_address(host)
            except ValueError:
                return
        if not self._may(host, address, port):
            raise AddressForbidden(host, port)

    async def resolve(self, host: str, port: int) -> str:
        """The address to connect to.

        Raises:
            AddressForbidden: None that the name has may be used.
            ConnectionUnreachable: There is no such name.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_LOOKUP_SECONDS):
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, TimeoutError, UnicodeError):
            raise ConnectionUnreachable from None
        for *_, place in found:
            if self._may(host, ipaddress.ip_address(str(place[0]).split("%")[0]), port):
                return str(place[0])
        raise AddressForbidden(host, port)

    def _may(self, host: str, address: Address, port: int) -> bool:
        inner = _inner(address)
        if any(entry.covers(host, inner, port) for entry in self._allowed):
            return True
        return inner.is_global and not inner.is_multicast and port >= _LOWEST_PORT


def _inner(address: Address) -> Address:
    """The IPv4 address inside of one that only wraps it."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    wrapped = address.ipv4_mapped or address.sixtofour
    if wrapped is None and any(address in network for network in _NAT64):
        wrapped = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return wrapped or address
