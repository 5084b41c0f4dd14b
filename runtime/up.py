"""Starts every part in order, says what to open, looks after them, and ends them in order."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable

from domain.errors import StorageUnavailable
from runtime.broker import FOLDER as BROKER_FOLDER
from runtime.broker_address import broker_address, prepare_certificate, reachable, station_address
from runtime.broker_config import BrokerFiles
from runtime.children import Child, ChildPlan
from runtime.first_rulebook import seed
from runtime.first_stations import fill, to_simulate
from runtime.installation import CannotStart, Installation
from runtime.instance_lock import InstanceLock
from runtime.listening import remember, settled, shows_own_certificate
from runtime.output import say
from runtime.ready import answers, gateway_listens, station_speaks, written_since
from runtime.stopping import StopSignals
from runtime.welcome import welcome
from storage.database import Database

logger = logging.getLogger(__name__)

READY_WITHIN_S = 90.0
STATIONS_WITHIN_S = 10.0
LOOK_EVERY_S = 0.1
CODE_CANNOT_START = 2
CODE_SHARD_LOST = 3
SHARD_LOST = (
    "Another gateway has taken over this database, so this one is left alone; "
    "when that is not wanted, end the other one and start Waystation again."
)


class _Stopped(Exception):
    """Somebody pressed Ctrl-C before everything was ready."""


class _ChildSaidWhy(Exception):
    """A part could not start and has said why itself."""


class Up:
    """One run of the whole hub on this machine."""

    def __init__(self, here: Installation, listen: str | None = None) -> None:
        self._here = here
        self._listen = listen
        self._clock = here.clock
        self._began_s = here.clock.monotonic_s()
        self._began_ms = here.now_ms()
        self._signals = StopSignals()
        self._lock = InstanceLock(here.var_dir)
        self._children: dict[str, Child] = {}

    def run(self) -> int:
        """Run until SIGINT, SIGTERM or SIGHUP; returns the exit code, or raises CannotStart."""
        self._lock.take()
        database: Database | None = None
        try:
            self._open_to_others()
            self._refuse_taken_port()
            self._here.series()
            self._here.secrets()
            broker_address(self._here.settings)
            if self._here.settings.series == "influx":
                self._prepare_influx()
            if self._here.settings.broker == "embedded":
                self._start("broker", grace_s=12.0)
            database = self._prepare_data()
            self._start_parts(database)
            if not self._signals.look():
                say(welcome(self._here, database))
            self._watch()
            return 0
        except _ChildSaidWhy:
            return CODE_CANNOT_START
        except _Stopped:
            return 0
        finally:
            self._stop()
            if database is not None:
                database.close()
            self._lock.release()

    def _prepare_data(self) -> Database:
        here = self._here
        made = here.upgrade()
        if made:
            logger.info("Made in the database: %s", ", ".join(made), extra={"action": "series_made"})
        database = here.database()
        try:
            book = seed(here, database)
            new = fill(database, here.settings, here.now_ms())
        except BaseException:
            database.close()
            raise
        added = f", {new} stations added" if new else ""
        self._progress(f"database ready, rulebook {book.version} in force{added}")
        return database

    def _prepare_influx(self) -> None:
        """Doors open and alerts come without InfluxDB, so nothing here keeps a hub from starting."""
        from runtime.influx_ready import prepare_influx
        from storage.influx import InfluxAway
        from storage.influx_setup import CannotPrepare

        try:
            for line in prepare_influx(self._here):
                self._progress(line)
        except (StorageUnavailable, CannotPrepare) as exc:
            new = " If it is new, run `./waystation db init` once it does." if type(exc) is InfluxAway else ""
            logger.warning(
                "Readings wait in the database. %s%s", exc, new, extra={"action": "influx_not_ready"}
            )
            return
        # From here on the parts have a token of the hub's own, where it could be made.
        if self._here.influx_at().token != self._here.settings.influx_token.get_secret_value():
            for name in ("WAYSTATION_INFLUX_TOKEN", "WAYSTATION_INFLUX_TOKEN_FILE"):
                os.environ.pop(name, None)
        self._progress("InfluxDB ready")

    def _start_parts(self, database: Database) -> None:
        settings = self._here.settings
        broker = broker_address(settings)
        pid_file = BrokerFiles(settings.var_dir / BROKER_FOLDER).pid
        # Somebody else's broker may answer on the port: ours has also written who it is.
        outside = settings.broker != "embedded"
        if outside and not answers(broker.host, broker.port):
            self._progress(f"waiting for the {settings.broker} broker on port {broker.port} of {broker.host}")
        self._wait(
            "broker",
            lambda: (
                (outside or written_since(pid_file, self._began_ms)) and answers(broker.host, broker.port)
            ),
        )
        self._progress(f"broker takes stations on port {station_address(settings).port}")
        since_ms = self._here.now_ms()
        # Reading their own code takes each of them longer than anything else: all do it at once.
        self._start("api")
        self._start("gateway", grace_s=5.0, never_again=((CODE_SHARD_LOST, SHARD_LOST),))
        if settings.stations:
            # It lets no station speak before a gateway listens.
            self._start("sim")
        self._wait("gateway", lambda: gateway_listens(database, since_ms))
        self._progress("gateway listens")
        self._start("courier")
        bind = reachable(settings.bind)
        self._wait("api", lambda: answers(bind, settings.api_port, "/healthz"))
        self._progress(f"pages and API on port {settings.api_port}")
        if to_simulate(database, settings):
            # What is shown next shall be true when it is typed; but it is no reason not to start.
            until_s = self._clock.monotonic_s() + STATIONS_WITHIN_S
            self._wait(
                "sim",
                lambda: station_speaks(database, since_ms) or self._clock.monotonic_s() > until_s,
            )
            self._progress("stations are moving")

    def _start(
        self, name: str, *, grace_s: float = 4.0, never_again: tuple[tuple[int, str], ...] = ()
    ) -> None:
        plan = ChildPlan(name=name, arguments=(name, "--watched"), grace_s=grace_s, never_again=never_again)
        child = Child(plan, self._clock)
        child.start()
        self._children[name] = child

    def _wait(self, name: str, ready: Callable[[], bool]) -> None:
        """Wait until a part is ready; CannotStart when it ends by itself or needs too long."""
        while not self._signals.wait(LOOK_EVERY_S):
            for child in self._children.values():
                if child.exit_code == CODE_CANNOT_START:
                    raise _ChildSaidWhy
                child.look()
            try:
                if ready():
                    return
            except StorageUnavailable as exc:
                logger.warning("%s", exc, extra={"action": "database_down"})
            if self._clock.monotonic_s() - self._began_s > READY_WITHIN_S:
                raise CannotStart(
                    f"The {name} is not ready after {READY_WITHIN_S:.0f} s; {self._cause(name)}."
                )
        raise _Stopped

    def _cause(self, name: str) -> str:
        if name in self._children:
            return f"its log is {self._here.var_dir / 'log' / name}.log"
        return f"WAYSTATION_BROKER is {self._here.settings.broker}, so start that one first"

    def _watch(self) -> None:
        while not self._signals.wait(LOOK_EVERY_S):
            for child in self._children.values():
                child.look()

    def _stop(self) -> None:
        """First those who speak, the broker last; a second Ctrl-C does not wait for anybody."""
        running = [name for name in ("sim", "api", "courier", "gateway", "broker") if name in self._children]
        if any(self._children[name].pid is not None for name in running):
            self._progress("stopping")
        signals = self._signals.count
        for name in running:
            child = self._children[name]
            child.end()
            deadline_s = self._clock.monotonic_s() + child.plan.grace_s
            while not child.wait(0.05):
                if self._clock.monotonic_s() > deadline_s or self._signals.look() > max(1, signals):
                    child.kill()
        if running:
            self._progress("everything has ended; the data stay")

    def _open_to_others(self) -> None:
        """Let every part, and every command after this one, know where the broker listens."""
        here = self._here
        if self._listen is not None and here.settings.broker != "embedded":
            raise CannotStart(
                f"--listen opens the embedded broker, but WAYSTATION_BROKER is {here.settings.broker}: "
                "where that one listens stands in its own configuration."
            )
        remember(here.var_dir, settled(self._listen))
        here.settings = Installation.from_environment().settings
        if shows_own_certificate(here.settings):
            prepare_certificate(here)

    def _refuse_taken_port(self) -> None:
        settings = self._here.settings
        family = socket.AF_INET6 if ":" in settings.bind else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.bind, settings.api_port))
            except OSError as exc:
                raise CannotStart(
                    f"Port {settings.api_port} on {settings.bind} cannot be used ({exc.strerror}); "
                    "stop what holds it or set WAYSTATION_API_PORT to a free port."
                ) from exc

    def _progress(self, text: str) -> None:
        try:
            say(f"{self._clock.monotonic_s() - self._began_s:5.1f} s  {text}")
        except OSError:
            pass  # the terminal is gone; the work goes on
