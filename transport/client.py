"""paho's client, given its socket from outside and kept silent."""

from __future__ import annotations

from collections.abc import Callable

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from transport.socket_buffer import BufferedSocket


class DrivenClient(Client):
    """A paho client for an outer loop: no thread, no reconnecting of its own, no logger.

    paho writes the client id into its debug log, and with a persistent session the id is a key; so no
    logger may be enabled here.
    """

    def __init__(
        self,
        *,
        client_id: str,
        clean_session: bool,
        manual_ack: bool,
        on_publish_received: Callable[[int, bool, str, bytes], None],
    ) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=clean_session,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=manual_ack,
        )
        self.suppress_exceptions = True
        self.dialled: BufferedSocket | None = None
        self.on_publish_received = on_publish_received

    def _create_socket(self) -> BufferedSocket:
        sock, self.dialled = self.dialled, None
        if sock is None:
            raise ConnectionError("no socket was handed over; the loop dials before paho connects")
        return sock

    def _handle_publish(self) -> MQTTErrorCode:
        """As paho's, without the object, the log line and the topic matching it makes for each message."""
        packet = self._in_packet["packet"]
        head = self._in_packet["command"]
        qos = head & 0x06
        size = len(packet)
        if size < 3:
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        topic_ends = 2 + (packet[0] << 8 | packet[1])
        payload_starts = topic_ends + 2 if qos else topic_ends
        if topic_ends == 2 or payload_starts > size or qos > 2:
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        mid = packet[topic_ends] << 8 | packet[topic_ends + 1] if qos else 0
        # An address that is no UTF-8 becomes one that nobody has, and is put into quarantine above.
        topic = packet[2:topic_ends].decode("utf-8", "replace")
        self.on_publish_received(mid, head & 0x08 != 0, topic, bytes(packet[payload_starts:]))
        if mid and not self._manual_ack:
            return self._send_puback(mid)
        return MQTTErrorCode.MQTT_ERR_SUCCESS
