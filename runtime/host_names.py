"""The names and addresses under which others may reach this machine."""

from __future__ import annotations

import ipaddress
import socket
import struct
from pathlib import Path

_ADDRESS_OF_INTERFACE = 0x8915  # SIOCGIFADDR
_INTERFACE_BYTES = 256


def names_of_this_host() -> list[str]:
    """Host names and IP addresses without a scope, loopback first; nobody outside is asked."""
    name = socket.gethostname().rstrip(".")
    names = ["localhost", "127.0.0.1", "::1", *([name] if name else [])]
    if name and "." not in name:
        names.append(f"{name}.local")
    found = [*_ipv4(), *_ipv6()]
    try:
        found += [str(info[4][0]) for info in socket.getaddrinfo(name, None)]
    except OSError:
        pass  # a machine that does not know its own name
    names += [address for address in found if "%" not in address]
    return list(dict.fromkeys(names))


def _ipv4() -> list[str]:
    """The address of each interface, where the system can be asked so."""
    try:
        import fcntl

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            found = []
            for _, interface in socket.if_nameindex():
                asked = struct.pack(f"{_INTERFACE_BYTES}s", interface.encode()[:15])
                try:
                    answer = fcntl.ioctl(probe.fileno(), _ADDRESS_OF_INTERFACE, asked)
                except OSError:
                    continue  # it has none
                found.append(socket.inet_ntoa(answer[20:24]))
            return found
    except (ImportError, OSError):
        return []


def _ipv6() -> list[str]:
    """Addresses that are good beyond their own link."""
    try:
        lines = Path("/proc/net/if_inet6").read_text(encoding="ascii").splitlines()
        addresses = [ipaddress.IPv6Address(bytes.fromhex(line.split()[0])) for line in lines]
    except (OSError, ValueError, IndexError):
        return []
    return [str(address) for address in addresses if not address.is_link_local]
