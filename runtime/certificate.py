"""The hub's own certificate authority, and the certificate that it gives to its listeners."""

from __future__ import annotations

import datetime
import fcntl
import ipaddress
import os
import secrets as random_words
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from domain.errors import WaystationError
from runtime.broker_config import Tls

FOLDER = "certificate"
AUTHORITY_DAYS = 3650
SERVER_DAYS = 397
RENEW_DAYS = 60
_DAY_MS = 86_400_000


class BadCertificate(WaystationError):
    """The certificate of this hub cannot be read or made; the message says what to do."""


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where the four files are; keys are for their owner only."""

    folder: Path

    @property
    def authority(self) -> Path:
        """What a device has to know, to trust this hub; not secret."""
        return self.folder / "ca.pem"

    @property
    def authority_key(self) -> Path:
        """What new certificates are signed with."""
        return self.folder / "ca.key"

    @property
    def server(self) -> Tls:
        """What listeners show."""
        return Tls(self.folder / "server.pem", self.folder / "server.key")


def files_of(var_dir: Path) -> CertificateFiles:
    """Where they are, whether or not they were made."""
    return CertificateFiles(var_dir / FOLDER)


def prepare(var_dir: Path, names: Sequence[str], now_ms: int) -> bool:
    """Make what is missing; renew the server's certificate when it ends soon or lacks one of the names.

    True when the server's certificate is a new one. Raises BadCertificate.
    """
    files = files_of(var_dir)
    try:
        files.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(files.folder):
            authority_key = _key(files.authority_key)
            authority = _authority(files, authority_key, now_ms)
            server_key = _key(files.server.key)
            if _still_good(files.server.certificate, authority, server_key, names, now_ms):
                return False
            made = _server(authority, authority_key, server_key, names, now_ms)
            _write(files.server.certificate, made.public_bytes(serialization.Encoding.PEM), 0o644)
            return True
    except OSError as exc:
        raise BadCertificate(f"{files.folder} cannot be used: {exc.strerror or exc}.") from exc


def fingerprint(authority: Path) -> str:
    """SHA-256 of the authority's certificate, as openssl prints it."""
    return _read(authority).fingerprint(hashes.SHA256()).hex(":").upper()


def ends_ms(certificate: Path) -> int:
    """When a certificate ends, epoch milliseconds."""
    return int(_read(certificate).not_valid_after_utc.timestamp() * 1000)


def names_in(certificate: Path) -> list[str]:
    """The names and addresses that a certificate is for."""
    return sorted(_names(_read(certificate)))


def _authority(files: CertificateFiles, key: ec.EllipticCurvePrivateKey, now_ms: int) -> x509.Certificate:
    if files.authority.exists():
        found = _read(files.authority)
        if found.public_key() != key.public_key():
            raise BadCertificate(
                f"{files.authority} and {files.authority_key} do not belong together; bring both back from a "
                "backup, or move both away: then every device needs the new one."
            )
        return found
    name = _name(f"Waystation hub {random_words.token_hex(4)}")
    made = (
        _builder(name, name, key.public_key(), now_ms, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(files.authority, made.public_bytes(serialization.Encoding.PEM), 0o644)
    return made


def _server(
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    key: ec.EllipticCurvePrivateKey,
    names: Sequence[str],
    now_ms: int,
) -> x509.Certificate:
    signer = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        _builder(_name("waystation"), authority.subject, key.public_key(), now_ms, SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer), critical=False)
        .add_extension(x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _still_good(
    path: Path,
    authority: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    names: Sequence[str],
    now_ms: int,
) -> bool:
    if not path.exists():
        return False
    try:
        found = _read(path)
        found.verify_directly_issued_by(authority)
    except (BadCertificate, InvalidSignature, ValueError, TypeError):
        return False
    left_ms = found.not_valid_after_utc.timestamp() * 1000 - now_ms
    wanted = {_plain(_alternative(name)) for name in names}
    ours = found.public_key() == key.public_key()
    return ours and left_ms > RENEW_DAYS * _DAY_MS and wanted <= _names(found)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now_ms: int, days: int
) -> x509.CertificateBuilder:
    # From yesterday on: a device's clock may be a little behind.
    begins = datetime.datetime.fromtimestamp(now_ms // 1000, datetime.UTC) - datetime.timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + datetime.timedelta(days=days + 1))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        try:
            return x509.DNSName(name.encode("idna").decode("ascii"))
        except UnicodeError:
            raise BadCertificate(f"{name[:64]!r} is neither a host name nor an address.") from None


def _plain(name: x509.GeneralName) -> str:
    return str(name.value)


def _names(certificate: x509.Certificate) -> set[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {_plain(name) for name in found}


def _read(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as exc:
        raise BadCertificate(
            f"{path} is no certificate that can be read; bring it back from a backup."
        ) from exc


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Read a key, made first when it is not there; one that others can read is refused."""
    if not path.exists():
        made = ec.generate_private_key(ec.SECP256R1())
        text = made.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        _write(path, text, 0o600)
        return made
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise BadCertificate(f"{path} is open to others; close it with: chmod 600 {path}")
    try:
        found = serialization.load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError) as exc:
        raise BadCertificate(f"{path} is no key that can be read; bring it back from a backup.") from exc
    if not isinstance(found, ec.EllipticCurvePrivateKey):
        raise BadCertificate(f"{path} is not a key that this hub has made.")
    return found


def _write(path: Path, content: bytes, mode: int) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time make certificates."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
