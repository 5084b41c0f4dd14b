"""The configuration files of the embedded broker, as text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from runtime.secrets import Secrets
from signing.station_credential import nkey, read_jwt

ACK_WAIT_S = 5
"""Then what a gateway holds comes again, also when it is only slow; after its restart one waits for it."""
MAX_PAYLOAD_BYTES = 64 * 1024
# All filters of a session together may reach 65,535; two of these leave room for a session with both lanes.
# A busy gateway decides at least a thousand messages a second, and so all that it holds within ACK_WAIT_S.
MAX_ACK_PENDING = 5_000
STORAGE_BYTES = 4 << 30
_MEMORY_BYTES = 64 << 20
_LOG_BYTES = 10 << 20


@dataclass(frozen=True, slots=True)
class Tls:
    """Certificate and key of the MQTT listener, both PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class BrokerFiles:
    """Where the broker keeps what, all under one folder."""

    folder: Path

    @property
    def configuration(self) -> Path:
        """What nats-server reads at its start; it includes `accounts`."""
        return self.folder / "nats.conf"

    @property
    def accounts(self) -> Path:
        """The one part that changes while the broker runs."""
        return self.folder / "accounts.conf"

    @property
    def pid(self) -> Path:
        """The process id, written by nats-server."""
        return self.folder / "nats.pid"

    @property
    def log(self) -> Path:
        """The broker's own log; it names MQTT client ids, so only its owner may read it."""
        return self.folder / "nats.log"

    @property
    def last_words(self) -> Path:
        """What nats-server says before it has opened its log."""
        return self.folder / "nats.stderr"

    @property
    def lock(self) -> Path:
        """Held by the process that runs the broker."""
        return self.folder / "lock"

    @property
    def store(self) -> Path:
        """Sessions and messages that wait."""
        return self.folder / "store"


def broker_configuration(
    files: BrokerFiles, secrets: Secrets, mqtt_port: int, nats_port: int, bind: str, tls: Tls | None
) -> str:
    """The text of nats.conf: operator mode, so there is no user list and nobody is anonymous.

    NATS's own port stays on loopback, and no credential that Waystation makes is valid there.
    """
    lines = [
        "# Written at each start of Waystation; changes here are lost.",
        "server_name: waystation",
        'host: "127.0.0.1"',
        f"port: {nats_port}",
        f"operator: {_quoted(secrets.operator_jwt)}",
        "resolver: MEMORY",
        'resolver_preload { include "accounts.conf" }',
        f"max_payload: {MAX_PAYLOAD_BYTES}",
        "jetstream {",
        f"  store_dir: {_quoted(files.store)}",
        f"  max_mem: {_MEMORY_BYTES}",
        f"  max_file: {STORAGE_BYTES}",
        "}",
        "mqtt {",
        f"  host: {_quoted(bind)}",
        f"  port: {mqtt_port}",
        f'  ack_wait: "{ACK_WAIT_S}s"',
        f"  max_ack_pending: {MAX_ACK_PENDING}",
        *_tls_lines(tls),
        "}",
        f"pid_file: {_quoted(files.pid)}",
        f"log_file: {_quoted(files.log)}",
        f"logfile_size_limit: {_LOG_BYTES}",
        "logfile_max_num: 5",
    ]
    return "\n".join(lines) + "\n"


def accounts_configuration(secrets: Secrets, now_ms: int) -> str:
    """The text of accounts.conf: the hub's account with its revocations, and the broker's own."""
    hub = nkey("account", secrets.account.verify_key)
    system = read_jwt(secrets.system_jwt, secrets.operator.verify_key)["sub"]
    return f"{hub}: {_quoted(secrets.hub_account_jwt(now_ms))}\n{system}: {_quoted(secrets.system_jwt)}\n"


def _tls_lines(tls: Tls | None) -> list[str]:
    if tls is None:
        return []
    certificate, key = _quoted(tls.certificate.resolve()), _quoted(tls.key.resolve())
    return [f"  tls {{ cert_file: {certificate}, key_file: {key} }}"]


def _quoted(value: object) -> str:
    return json.dumps(str(value), ensure_ascii=False)
