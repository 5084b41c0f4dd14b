"""One message to the broker in a station's name, as if typed at mosquitto_pub."""

from __future__ import annotations

import secrets as random_words
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from domain import topics
from domain.errors import WaystationError
from runtime.broker_address import station_address
from runtime.installation import CannotStart, Installation

WITHIN_S = 5.0


class NotSent(WaystationError):
    """The message did not reach the broker."""


def send_one(here: Installation, topic: str, payload: bytes) -> None:
    """Publish at QoS 1 and wait for the broker's word; BadTopic, CannotStart or NotSent when it fails."""
    parsed = topics.parse(topic)
    name, secret = _login(here, parsed)
    client = mqtt.Client(CallbackAPIVersion.VERSION2, f"hand-{random_words.token_hex(8)}")
    client.username_pw_set(name, secret)
    broker = station_address(here.settings)
    if broker.tls is not None:
        client.tls_set_context(broker.tls)
    welcome = threading.Event()
    refusal: list[str] = []

    def connected(_c: object, _u: object, _f: object, reason: ReasonCode, _p: object) -> None:
        if reason.is_failure:
            refusal.append(str(reason))
        welcome.set()

    client.on_connect = connected
    try:
        client.connect(broker.host, broker.port, keepalive=30)
    except OSError as exc:
        raise CannotStart(
            f"No broker answers on port {broker.port} ({exc.strerror or exc}); start ./waystation up first."
        ) from exc
    client.loop_start()
    try:
        if not welcome.wait(WITHIN_S) or refusal:
            raise NotSent(f"The broker refuses the connection: {refusal[0] if refusal else 'no answer'}.")
        sent = client.publish(topic, payload, qos=1)
        sent.wait_for_publish(WITHIN_S)
        if not sent.is_published():
            raise NotSent(f"The broker has not confirmed the message within {WITHIN_S:.0f} s.")
    finally:
        client.disconnect()
        client.loop_stop()


def _login(here: Installation, topic: topics.Topic) -> tuple[str, str]:
    """User name and password; Mosquitto knows only the credentials that were given out."""
    secrets, station = here.secrets(), topic.device.station
    if here.settings.broker != "mosquitto":
        return "station", secrets.issue_station(topic.adcode, station, here.now_ms())
    from runtime.station_passwords import station_logins

    database = here.database()
    try:
        with database.read() as connection:
            logins = station_logins(connection, secrets, station)
    finally:
        database.close()
    for login in logins:
        if login.password is not None:
            return login.username, login.password
    raise NotSent(
        f"{station} has no credential that Mosquitto knows: ./waystation credential issue {station}"
    )
