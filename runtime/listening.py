"""What `up --listen` has opened to the network, remembered for every other command of this folder."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from domain.errors import BadSettings
from runtime.broker_outside import replace
from runtime.settings import Settings

FILE = "listen"
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104
CERTIFICATE, KEY = Path("certificate/server.pem"), Path("certificate/server.key")


def remember(var_dir: Path, address: str | None) -> None:
    """Keep the address that the hub listens on from now on, or that it is this machine only again."""
    if address is None:
        (var_dir / FILE).unlink(missing_ok=True)
    else:
        replace(var_dir / FILE, f"{address}\n")


def settled(address: str | None) -> str | None:
    """An address as it was typed after --listen; BadSettings when it is none."""
    try:
        return None if address is None else str(ipaddress.ip_address(address))
    except ValueError:
        raise BadSettings(
            f"--listen {address}: give an IP address of this machine, such as 192.168.1.20, or none for all."
        ) from None


def remembered(var_dir: Path) -> str:
    """The address that was opened last; empty when none was, or what is there is none."""
    try:
        return str(ipaddress.ip_address((var_dir / FILE).read_text(encoding="ascii").strip()))
    except (OSError, ValueError):
        return ""


def opened(settings: Settings, address: str = "") -> Settings:
    """The settings with the embedded broker on `address`, WAYSTATION_MQTT_LISTEN or what was remembered.

    There it speaks TLS on WAYSTATION_MQTT_TLS_PORT, with the certificate that was set or the hub's own.
    """
    if settings.broker != "embedded":
        return settings
    address = address or settings.mqtt_listen or remembered(settings.var_dir)
    if not address:
        return settings
    update: dict[str, object] = {"mqtt_bind": address, "mqtt_port": settings.mqtt_tls_port}
    if settings.mqtt_certificate is None:
        update |= {"mqtt_certificate": settings.var_dir / CERTIFICATE, "mqtt_key": settings.var_dir / KEY}
    return settings.model_copy(update=update)


def shows_own_certificate(settings: Settings) -> bool:
    """True when the listener shows the certificate that this hub makes for itself."""
    return settings.mqtt_certificate == settings.var_dir / CERTIFICATE
