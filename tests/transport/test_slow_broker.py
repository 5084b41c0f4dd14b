"""A broker that reads slowly and in odd pieces still gets a stream of whole packets."""

from __future__ import annotations

import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.waiting import eventually
from transport.hub import HubLink
from transport.lane import LaneOptions

COUNT = 4_000
TOPIC = b"ws/330106/s1/bulk/climate_sensor/1/telemetry"


class SlowBroker:
    """Speaks just enough MQTT for two lanes; what a client writes is read slowly and checked strictly."""

    def __init__(self) -> None:
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.port: int = self._listener.getsockname()[1]
        self.acknowledged: list[int] = []
        self.published: Counter[bytes] = Counter()
        self.pings = 0
        self.errors: list[str] = []
        self.released = threading.Event()
        for _ in range(2):
            threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        sock, _ = self._listener.accept()
        with sock:
            stream = self._pieces(sock)
            while True:
                packet = self._packet(stream)
                if packet is None:
                    return
                self._answer(sock, *packet)

    def _pieces(self, sock: socket.socket) -> Iterator[int]:
        spread = random.Random(3)
        while True:
            try:
                piece = sock.recv(spread.randint(1, 5_000))
            except OSError:
                return
            if not piece:
                return
            yield from piece

    def _packet(self, stream: Iterator[int]) -> tuple[int, bytes] | None:
        head = next(stream, None)
        if head is None:
            return None
        length, shift = 0, 0
        while True:
            digit = next(stream, 0)
            length |= (digit & 127) << shift
            shift += 7
            if digit < 128:
                break
        return head, bytes(next(stream, 0) for _ in range(length))

    def _answer(self, sock: socket.socket, head: int, body: bytes) -> None:
        match head:
            case 0x10:
                sock.sendall(b"\x20\x02\0\0")
            case 0x82:
                bulk = b"bulk" in body
                sock.sendall(b"\x90\x03" + body[:2] + (b"\x01" if bulk else b"\0"))
                if bulk:
                    sock.sendall(b"".join(self._publish(mid) for mid in range(1, COUNT + 1)))
                    self.released.wait(20.0)
            case 0x40:
                self.acknowledged += struct.unpack(">H", body)
            case 0x30:
                size = struct.unpack(">H", body[:2])[0]
                self.published[body[2 + size :]] += 1
            case 0xC0:
                self.pings += 1
                sock.sendall(b"\xd0\0")
            case 0xE0:
                pass
            case _:
                self.errors.append(f"no packet begins with {head:#x}")

    def _publish(self, mid: int) -> bytes:
        body = struct.pack(">H", len(TOPIC)) + TOPIC + struct.pack(">H", mid) + b"%04d" % mid
        return bytes([0x32, len(body)]) + body


@pytest.mark.integration
def test_a_slow_reader_gets_every_acknowledgement_whole_and_pings_go_on() -> None:
    broker = SlowBroker()
    hub = HubLink(
        "127.0.0.1",
        broker.port,
        {
            "quick": LaneOptions(client_id="q", filters=(("hub/command/+", 0),)),
            "bulk": LaneOptions(client_id="b", filters=(("ws/+/+/bulk/+/+/+", 1),), keepalive_s=1),
        },
        COUNT,
        lambda: 0,
    )
    hub.start()
    done = 0
    while done < COUNT:
        batch = hub.take(500, 5.0).bulk
        assert batch, "messages stopped coming"
        hub.acknowledge(
            "bulk",
            [(message.generation, message.mid) for message in batch],
            [("ws/330106/s1/down/station/0/ack", message.payload * 200) for message in batch],
        )
        done += len(batch)
    broker.released.set()
    eventually(lambda: len(broker.acknowledged) == COUNT, timeout_s=20.0)
    eventually(lambda: broker.pings >= 2)
    assert broker.acknowledged == list(range(1, COUNT + 1))
    assert broker.errors == []
    assert broker.published == Counter(b"%04d" % mid * 200 for mid in range(1, COUNT + 1))
    status = hub.status().lanes["bulk"]
    assert (status.losses, status.unacknowledged, status.unsent_publishes) == (0, 0, 0)
    hub.stop()
    broker.close()
