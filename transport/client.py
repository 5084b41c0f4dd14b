"""paho's client, given its socket from outside and kept silent."""

from __future__ import annotations

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from transport.socket_buffer import BufferedSocket


class DrivenClient(Client):
    """A paho client for an outer loop: no thread, no reconnecting of its own, no logger, and no messages.
    `Wire` reads those; paho has the connection, its subscriptions and what is published at QoS 1.

    paho writes the client id into its debug log, and with a persistent session the id is a key; so no
    logger may be enabled here.
    """

    def __init__(self, *, client_id: str, clean_session: bool) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=clean_session,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        self.suppress_exceptions = True
        self.dialled: BufferedSocket | None = None

    def _create_socket(self) -> BufferedSocket:
        sock, self.dialled = self.dialled, None
        if sock is None:
            raise ConnectionError("no socket was handed over; the loop dials before paho connects")
        return sock
