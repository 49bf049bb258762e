"""Connects to addresses of the open internet alone, looked at in the moment of connecting.

A name is looked up once and the very address that was looked at is connected to: a name that means another machine at
the second look-up cannot lead into a private network.
"""

import ipaddress
import socket

from studio.backends.outgoing.refusals import NotSent

_CARRIERS = (  # networks whose addresses hold an IPv4 address, and after how many bits
    (ipaddress.IPv6Network("64:ff9b::/96"), 96),
    (ipaddress.IPv6Network("2002::/16"), 16),
)


def connect(host: str, port: int, *, timeout_s: float, allow_private: bool) -> socket.socket:
    """An open connection.

    Args:
        host: Name or address.
        port: Its port.
        timeout_s: Longest wait for the connection, and for each read and write on it.
        allow_private: Whether private, loopback and link-local addresses are connected to.

    Raises:
        NotSent: The name has no address, only private ones (final), or none that answers.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise NotSent(f"the name {host} has no address: {error}") from error
    addresses = [where for *_, where in found if allow_private or is_open(str(where[0]))]
    if not addresses:
        raise NotSent(f"{host} is of a private network, which the settings do not allow", is_final=True)
    refusal: OSError | None = None
    for where in addresses:
        try:
            return socket.create_connection((str(where[0]), port), timeout=timeout_s)
        except OSError as error:
            refusal = error
    raise NotSent(f"{host} does not answer: {refusal}") from refusal


def is_open(address: str) -> bool:
    """True for addresses of the open internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        for network, bits in _CARRIERS:
            if isinstance(ip, ipaddress.IPv6Address) and ip in network:
                ip = ipaddress.IPv4Address((int(ip) >> (96 - bits)) & 0xFFFFFFFF)
    return ip.is_global and not ip.is_multicast
