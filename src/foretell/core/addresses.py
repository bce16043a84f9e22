"""Network addresses as names of callers."""

import ipaddress


def network_of(address: str) -> str:
    """What one caller has of the network: an IPv4 address, or the /64 of an IPv6 one,
    all of whose addresses belong to whoever has one of them. Other texts stay as they
    are."""
    if ":" not in address:
        return address
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, ipaddress.IPv6Address):
        return address
    if found.ipv4_mapped is not None:  # what a socket for both kinds says of IPv4
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
