"""What a real device needs to know to reach the broker: to be typed into it, or shown."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from runtime.broker_address import LOOPBACK, authority_for_devices
from runtime.host_names import names_of_this_host
from runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class WayIn:
    """`authority` is None where the broker speaks plainly; `names_count` where the user name matters."""

    host: str
    port: int
    authority: Path | None
    names_count: bool


def way_in(settings: Settings) -> WayIn:
    """Where stations connect, as seen from their side of the network."""
    mosquitto = settings.broker == "mosquitto"
    port = settings.mqtt_tls_port if mosquitto else settings.mqtt_port
    host = settings.mqtt_host or LOOPBACK if settings.broker != "embedded" else _shown(settings.mqtt_bind)
    return WayIn(host, port, authority_for_devices(settings), names_count=mosquitto)


def _shown(bind: str) -> str:
    """An address that others can use, for a listener on every address."""
    if not ipaddress.ip_address(bind).is_unspecified:
        return bind
    for name in names_of_this_host():
        try:
            found = ipaddress.ip_address(name)
        except ValueError:
            continue
        if not found.is_loopback and not found.is_link_local:
            return name
    return LOOPBACK
