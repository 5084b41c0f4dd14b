"""The hub's own authority: made once, its certificates renewed in time, its keys closed to others."""

from __future__ import annotations

import socket
import ssl
import stat
import threading
import time
from pathlib import Path

import pytest

from runtime import certificate
from runtime.certificate import BadCertificate, files_of, prepare
from runtime.host_names import names_of_this_host

NOW_MS = 1_780_000_000_000
DAY_MS = 86_400_000
NAMES = ("localhost", "127.0.0.1", "192.0.2.7", "hub.example.org", "fd00::7")


def test_the_first_time_makes_an_authority_and_a_certificate_for_every_name(tmp_path: Path) -> None:
    assert prepare(tmp_path, NAMES, NOW_MS)
    files = files_of(tmp_path)
    assert certificate.names_in(files.server.certificate) == sorted(NAMES)
    assert len(certificate.fingerprint(files.authority)) == 95
    for key in (files.authority_key, files.server.key):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(files.folder.stat().st_mode) == 0o700
    assert "PRIVATE" not in files.authority.read_text() + files.server.certificate.read_text()


def test_what_is_good_stays_as_it_is(tmp_path: Path) -> None:
    prepare(tmp_path, NAMES, NOW_MS)
    before = files_of(tmp_path).server.certificate.read_bytes()
    assert not prepare(tmp_path, NAMES[:2], NOW_MS + 300 * DAY_MS)
    assert files_of(tmp_path).server.certificate.read_bytes() == before


def test_a_certificate_is_renewed_before_its_end_and_the_authority_stays(tmp_path: Path) -> None:
    prepare(tmp_path, NAMES, NOW_MS)
    files = files_of(tmp_path)
    print_before, end_ms = (
        certificate.fingerprint(files.authority),
        certificate.ends_ms(files.server.certificate),
    )
    almost_ms = end_ms - certificate.RENEW_DAYS * DAY_MS + 1
    assert prepare(tmp_path, NAMES, almost_ms)
    assert certificate.ends_ms(files.server.certificate) > end_ms
    assert certificate.fingerprint(files.authority) == print_before


def test_a_new_name_of_the_machine_gets_into_the_certificate(tmp_path: Path) -> None:
    prepare(tmp_path, NAMES, NOW_MS)
    assert prepare(tmp_path, [*NAMES, "10.1.2.3"], NOW_MS)
    assert "10.1.2.3" in certificate.names_in(files_of(tmp_path).server.certificate)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    prepare(tmp_path, NAMES, NOW_MS)
    files_of(tmp_path).server.key.chmod(0o644)
    with pytest.raises(BadCertificate, match="chmod 600"):
        prepare(tmp_path, NAMES, NOW_MS)


def test_an_authority_whose_key_is_another_one_is_refused(tmp_path: Path) -> None:
    prepare(tmp_path, NAMES, NOW_MS)
    files_of(tmp_path).authority_key.unlink()
    with pytest.raises(BadCertificate, match="do not belong together"):
        prepare(tmp_path, NAMES, NOW_MS)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_client_that_has_the_authority_trusts_the_hub_under_its_names_only(
    tmp_path: Path, host: str
) -> None:
    prepare(tmp_path, NAMES[:2], time.time_ns() // 1_000_000)
    files = files_of(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.server.certificate, files.server.key)
    assert _shake_hands(server, ssl.create_default_context(cafile=str(files.authority)), host)
    assert not _shake_hands(server, ssl.create_default_context(), host)
    other = ssl.create_default_context(cafile=str(files.authority))
    assert not _shake_hands(server, other, "another.example.org")


def test_this_machine_is_known_by_its_loopback_and_its_name() -> None:
    names = names_of_this_host()
    assert {"localhost", "127.0.0.1", "::1", socket.gethostname()} <= set(names)
    assert len(set(names)) == len(names)
    assert not any("%" in name for name in names)


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> bool:
    one, other = socket.socketpair()

    def serve() -> None:
        try:
            server.wrap_socket(one, server_side=True).close()
        except (OSError, ssl.SSLError):
            one.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        client.wrap_socket(other, server_hostname=host).close()
    except ssl.SSLError:
        return False
    finally:
        other.close()
        thread.join(5)
    return True
