"""Where the processes of this machine reach the broker, and how they know that it is ours."""

from __future__ import annotations

import contextlib
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.broker_config import Tls
from runtime.listening import shows_own_certificate
from runtime.settings import Settings

if TYPE_CHECKING:
    from runtime.installation import Installation

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Host, port, and the TLS context when the listener speaks TLS."""

    host: str
    port: int
    tls: ssl.SSLContext | None = field(default=None, repr=False)


def listener_tls(settings: Settings) -> Tls | None:
    """The certificate of the embedded listener; None when it speaks plainly, on this machine only."""
    if settings.mqtt_certificate is None or settings.mqtt_key is None:
        return None
    return Tls(settings.mqtt_certificate, settings.mqtt_key)


def broker_address(settings: Settings) -> BrokerAddress:
    """Where the hub's processes connect; CannotStart when the certificate cannot be read."""
    if settings.broker != "embedded":
        return _elsewhere(settings, settings.mqtt_port)
    host, tls = reachable(settings.mqtt_bind), listener_tls(settings)
    if tls is None:
        return BrokerAddress(host, settings.mqtt_port)
    authority = own_authority(settings)
    if shows_own_certificate(settings):
        return BrokerAddress(
            host, settings.mqtt_port, _trusting(authority, f"The hub's own certificate ({authority})")
        )
    # The certificate is made for the name that stations use, not for this machine's own address; so we
    # trust this very certificate and nothing else.
    what = f"WAYSTATION_MQTT_CERTIFICATE ({tls.certificate}) or WAYSTATION_MQTT_KEY ({tls.key})"
    context = _trusting(tls.certificate, what)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        tls.key.open("rb").close()
    except OSError as exc:
        raise _cannot_be_used(what, exc) from exc
    return BrokerAddress(host, settings.mqtt_port, context)


def station_address(settings: Settings) -> BrokerAddress:
    """Where stations connect from this machine: Mosquitto has a listener of its own for them."""
    if settings.broker == "mosquitto":
        return _elsewhere(settings, settings.mqtt_tls_port)
    return broker_address(settings)


def authority_for_devices(settings: Settings) -> Path | None:
    """The file that a device needs to trust the broker; None where it speaks plainly."""
    if settings.broker != "embedded":
        return None if settings.mqtt_plain else settings.mqtt_ca or own_authority(settings)
    if settings.mqtt_certificate is None:
        return None
    return own_authority(settings) if shows_own_certificate(settings) else settings.mqtt_certificate


def own_authority(settings: Settings) -> Path:
    """The certificate of the hub's own authority."""
    return settings.var_dir / "certificate" / "ca.pem"


def prepare_certificate(here: Installation) -> bool:
    """Make or renew the hub's own certificate, for every name of this machine; True for a new one."""
    from runtime import certificate
    from runtime.host_names import names_of_this_host

    settings = here.settings
    more = [name.strip() for name in settings.certificate_names.split(",") if name.strip()]
    own = [] if settings.mqtt_bind in ("0.0.0.0", "::") else [settings.mqtt_bind]  # noqa: S104
    here.prepare_folder()
    return certificate.prepare(
        here.var_dir, list(dict.fromkeys([*names_of_this_host(), *own, *more])), here.now_ms()
    )


def reachable(bind: str) -> str:
    """The address at which this machine reaches what listens on `bind`."""
    return {"0.0.0.0": LOOPBACK, "::": "::1"}.get(bind, bind)  # noqa: S104


def _elsewhere(settings: Settings, port: int) -> BrokerAddress:
    host = settings.mqtt_host or LOOPBACK
    if settings.mqtt_plain:
        return BrokerAddress(host, port)
    authority = settings.mqtt_ca or own_authority(settings)
    if settings.mqtt_ca is None and not authority.exists():
        from runtime.installation import CannotStart

        makes = "mosquitto" if settings.broker == "mosquitto" else "ca"
        raise CannotStart(
            f"There is no authority by which to trust the broker: make {authority} with "
            f"`./waystation credential {makes}`, or set WAYSTATION_MQTT_CA."
        )
    return BrokerAddress(host, port, _trusting(authority, f"WAYSTATION_MQTT_CA ({authority})"))


class _TrustInFile(ssl.SSLContext):
    """Trusts what a file holds at each connection, so that it may be replaced while we run."""

    file: Path

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        # One that cannot be read at this moment is being replaced: what was known will do.
        with contextlib.suppress(OSError):
            self.load_verify_locations(self.file)
        return super().wrap_socket(*args, **options)


def _trusting(file: Path, what: str) -> ssl.SSLContext:
    context = _TrustInFile(ssl.PROTOCOL_TLS_CLIENT)
    context.file = file
    try:
        context.load_verify_locations(file)
    except (OSError, ssl.SSLError) as exc:
        raise _cannot_be_used(what, exc) from exc
    return context


def _cannot_be_used(what: str, why: OSError) -> Exception:
    from runtime.installation import CannotStart

    known = None if isinstance(why, ssl.SSLError) else why.strerror
    said = known or "it is no certificate in PEM form"
    return CannotStart(f"{what} cannot be used: {said}.")
