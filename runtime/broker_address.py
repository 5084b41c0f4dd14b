"""Where the processes of this machine reach the broker, and how they know that it is ours."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from runtime.broker_config import Tls
from runtime.installation import CannotStart
from runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Host, port, and the TLS context when the listener speaks TLS."""

    host: str
    port: int
    tls: ssl.SSLContext | None = field(default=None, repr=False)


def listener_tls(settings: Settings) -> Tls | None:
    """The certificate of the broker's listener; None when it speaks plainly, on this machine only."""
    if settings.mqtt_certificate is None or settings.mqtt_key is None:
        return None
    return Tls(settings.mqtt_certificate, settings.mqtt_key)


def broker_address(settings: Settings) -> BrokerAddress:
    """Where to connect; CannotStart when the certificate cannot be read."""
    host = reachable(settings.mqtt_bind)
    tls = listener_tls(settings)
    if tls is None:
        return BrokerAddress(host, settings.mqtt_port)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The certificate is made for the name that stations use, not for this machine's own address; so we
    # trust this very certificate and nothing else.
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(tls.certificate)
        tls.key.open("rb").close()
    except (OSError, ssl.SSLError) as exc:
        said = getattr(exc, "strerror", None) or "it is no certificate in PEM form"
        raise CannotStart(
            f"WAYSTATION_MQTT_CERTIFICATE ({tls.certificate}) or WAYSTATION_MQTT_KEY ({tls.key}) "
            f"cannot be used: {said}."
        ) from exc
    return BrokerAddress(host, settings.mqtt_port, context)


def reachable(bind: str) -> str:
    """The address at which this machine reaches what listens on `bind`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind, bind)  # noqa: S104
