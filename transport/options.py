"""What a connection to the broker is made of, checked before it is used."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from domain.errors import BadSettings

Will = tuple[str, bytes, int]
"""Topic, payload, QoS; never retained."""

MOST_UNCONFIRMED = 30_000
"""There are 65,535 numbers for packets that wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionOptions:
    """One MQTT connection; raises BadSettings for what no broker would take.

    `label` names it in logs, since the client id never may: with a persistent session it is a key.
    `log_level` is how loud a lost connection is.
    `subscriptions` are (filter, QoS), `will` may be made anew for each CONNECT, from its
    number: those numbers rise by one, also when a CONNECT is never answered.
    """

    label: str
    host: str
    port: int
    client_id: str = field(repr=False)
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    clean_session: bool = True
    keepalive_s: int = 30
    subscriptions: tuple[tuple[str, int], ...] = ()
    will: Will | Callable[[int], Will] | None = None
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    manual_ack: bool = False
    longest_backoff_s: float = 30.0
    max_unconfirmed: int = 1_000
    log_level: int = logging.WARNING
    may_dial: Callable[[], bool] | None = field(default=None, repr=False)
    """Asked before each attempt, in a thread that may block; on False the attempt counts as failed."""

    def __post_init__(self) -> None:
        if not self.client_id or "." in self.client_id or any(sign <= " " for sign in self.client_id):
            raise BadSettings(f"{self.label}: the MQTT client id must not be empty nor hold dots or blanks")
        if self.keepalive_s < 1:
            raise BadSettings(f"{self.label}: keepalive_s is {self.keepalive_s}, it must be 1 or more")
        if not 0 < self.max_unconfirmed <= MOST_UNCONFIRMED:
            raise BadSettings(
                f"{self.label}: max_unconfirmed is {self.max_unconfirmed}, it must be between 1 and "
                f"{MOST_UNCONFIRMED:,}"
            )
        if not 0 < self.port < 65_536:
            raise BadSettings(f"{self.label}: port is {self.port}, it must be between 1 and 65535")
        for topic_filter, qos in self.subscriptions:
            if qos not in (0, 1):
                raise BadSettings(f"{self.label}: {topic_filter} asks for QoS {qos}, only 0 and 1 are used")
