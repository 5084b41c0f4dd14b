"""The certificate that the broker shows, whoever made it: people hear in good time that it will end."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Sequence
from threading import Event
from typing import Final

from cryptography import x509

from courier.channel import Channel
from courier.hub_words import HubWords
from courier.message import time_text
from domain.clock import Clock
from runtime.broker_address import BrokerAddress, station_address
from runtime.installation import CannotStart, Installation

logger = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 3600.0
TURN_S: Final = 60.0
ANSWER_WITHIN_S: Final = 5.0
SAY_AT_DAYS: Final = (30, 7, 2, 0)
_DAY_MS: Final = 86_400_000


class ShownCertificate:
    """Looked at now and then, from where stations look at it."""

    def __init__(self, address: BrokerAddress, clock: Clock, words: HubWords) -> None:
        self._address = address
        self._clock = clock
        self._words = words
        self._said: int | None = None

    def look(self) -> None:
        """Say that it ends soon or has ended, once a step; a broker that is away is others' to tell."""
        ends_ms = shown_until_ms(self._address)
        if ends_ms is None:
            return
        days = (ends_ms - self._clock.now_ms()) / _DAY_MS
        step = min((one for one in SAY_AT_DAYS if days <= one), default=None)
        if step == self._said:
            return
        before, self._said = self._said, step
        if step is None:
            logger.info("The broker shows a certificate that lasts", extra={"action": "certificate_renewed"})
            self._words.say(
                "certificate", "【恢复】消息服务器已换上新证书。", "[Over] The broker has a new certificate."
            )
        elif before is None or step < before:
            self._tell(time_text(ends_ms)[:10], step)

    def _tell(self, day: str, within: int) -> None:
        if within:
            zh = f"将在 {within} 天内（{day}）过期，届时所有驿站无法连接"
            en = f"ends within {within} days, on {day}; from then on no station"
        else:
            zh, en = f"已于 {day} 过期，驿站无法连接", f"ended on {day}: no station"
        logger.error("The broker's certificate %s can connect", en, extra={"action": "certificate_ends"})
        self._words.say(
            "certificate",
            f"【严重】消息服务器的证书{zh}。请尽快更换。",
            f"[Major] The broker's certificate {en} can connect. Put a new one there.",
        )


def shown_until_ms(address: BrokerAddress) -> int | None:
    """When the certificate ends that a listener shows, epoch milliseconds; None when it shows none now."""
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # One that has ended is to be looked at, too, and nothing is said to whoever shows it.
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((address.host, address.port), ANSWER_WITHIN_S) as line,
            anybody.wrap_socket(line, server_hostname=address.host) as wire,
        ):
            found = wire.getpeercert(binary_form=True)
        shown = None if found is None else x509.load_der_x509_certificate(found)
    except (OSError, ValueError):
        return None
    return None if shown is None else int(shown.not_valid_after_utc.timestamp() * 1000)


def keep_looking(here: Installation, channels: Sequence[Channel], stop: Event) -> None:
    """Look once an hour until `stop` is set, where the broker speaks TLS."""
    try:
        address = station_address(here.settings)
    except CannotStart:
        return  # nothing is known to trust it by: the gateway says so
    if address.tls is None:
        return
    words = HubWords(channels, here.clock, here.settings.base_url)
    shown, next_s = ShownCertificate(address, here.clock, words), 0.0
    while True:
        if here.clock.monotonic_s() >= next_s:
            shown.look()
            next_s = here.clock.monotonic_s() + LOOK_EVERY_S
        words.deliver()
        if stop.wait(TURN_S):
            return
