"""The same links over TLS: read ahead and partial writes must survive the record layer."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from tests.transport.brokers import BULK, QUICK, Broker
from tests.waiting import eventually
from transport.hub import HubLink
from transport.lane import LaneOptions
from transport.loop import MqttLoop
from transport.station_link import StationLink, StationOptions

pytestmark = pytest.mark.integration

COUNT = 3_000
ACK = "ws/330106/s1/down/station/0/ack"


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test broker")])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36_500))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return cert_file, key_file


@pytest.fixture
def tls_broker(tmp_path: Path) -> Iterator[Broker]:
    cert_file, key_file = self_signed(tmp_path)
    broker = Broker(tmp_path)
    broker.rewrite("ack_wait:", f'tls {{ cert_file: "{cert_file}", key_file: "{key_file}" }}, ack_wait:')
    broker.start()
    yield broker
    broker.kill()


def test_messages_and_acknowledgements_pass_over_tls(
    tls_broker: Broker, tmp_path: Path, loop: MqttLoop
) -> None:
    trusted = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    hub = HubLink(
        "127.0.0.1",
        tls_broker.port,
        {
            "quick": LaneOptions(client_id="q", filters=(("ws/+/+/quick/+/+/+", 1),)),
            "bulk": LaneOptions(client_id="b", filters=(("ws/+/+/bulk/+/+/+", 1),)),
        },
        COUNT,
        lambda: 0,
        trusted,
    )
    hub.start()
    heard: list[bytes] = []
    station = StationLink(
        loop,
        StationOptions(
            host="127.0.0.1", port=tls_broker.port, adcode="330106", station="s1", client_id="s1",
            tls=trusted, max_unconfirmed=COUNT,
        ),
        lambda _topic, payload: heard.append(payload),
    )  # fmt: skip
    station.connect()
    eventually(lambda: hub.status().ready and station.ready)
    for n in range(COUNT):
        assert station.publish(BULK, b"%d" % n)
    got: list[bytes] = []

    def all_here() -> bool:
        batch = hub.take(1_000, 0.2).bulk
        got.extend(message.payload for message in batch)
        hub.acknowledge(
            "bulk",
            [(message.generation, message.mid) for message in batch],
            [(ACK, message.payload * 50) for message in batch],
        )
        return len(got) >= COUNT

    eventually(all_here, timeout_s=20.0, every_s=0.0)
    assert got == [b"%d" % n for n in range(COUNT)]
    eventually(lambda: len(heard) == COUNT)
    assert heard == [payload * 50 for payload in got]
    assert hub.status().lanes["bulk"].losses == 0
    hub.stop()
    station.disconnect()


def test_a_broker_with_an_unknown_certificate_is_not_spoken_to(tls_broker: Broker, loop: MqttLoop) -> None:
    station = StationLink(
        loop,
        StationOptions(
            host="127.0.0.1", port=tls_broker.port, adcode="330106", station="s1", client_id="s1",
            tls=ssl.create_default_context(), longest_backoff_s=0.05, will=(QUICK, b"gone"),
        ),
        lambda _topic, _payload: None,
    )  # fmt: skip
    station.connect()
    eventually(lambda: station.attempts >= 3)
    assert not station.connected
    station.disconnect()
