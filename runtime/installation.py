"""One installation of Waystation: its settings, and the keys and the database that they lead to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from domain.clock import Clock
from domain.errors import WaystationError
from runtime.clock import WallClock
from runtime.listening import opened
from runtime.secrets import Secrets, load_or_create_secrets
from runtime.settings import Settings, load_settings

if TYPE_CHECKING:
    from storage.database import Database
    from storage.inflow import Inflow
    from storage.influx_at import InfluxAt
    from storage.series import Series


class CannotStart(WaystationError):
    """Something that a start needs is not there; the message says what to do."""


class Installation:
    """What every command works with. Nothing is opened or made before it is asked for."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock = clock or WallClock()

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Installation:
        """The installation that the environment describes; BadSettings for a name or value that is wrong."""
        return cls(opened(load_settings(os.environ if environ is None else environ)))

    @property
    def var_dir(self) -> Path:
        """The folder of everything that is kept."""
        return self.settings.var_dir

    def now_ms(self) -> int:
        """Epoch milliseconds."""
        return self.clock.now_ms()

    def prepare_folder(self) -> None:
        """Make `var_dir` and see that it can be written; CannotStart when not."""
        probe = self.var_dir / f".writable.{os.getpid()}"
        try:
            self.var_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe.write_bytes(b"x" * 4096)
        except OSError as exc:
            raise CannotStart(
                f"{self.var_dir} cannot be written ({exc.strerror}); make room or give the right to write "
                "there, or set WAYSTATION_VAR_DIR to another folder."
            ) from exc
        finally:
            try:
                probe.unlink(missing_ok=True)
            except OSError:
                pass

    def secrets(self) -> Secrets:
        """The keys, made first when there are none."""
        self.prepare_folder()
        return load_or_create_secrets(self.var_dir, self.now_ms())

    def upgrade(self) -> list[str]:
        """Bring the database to the shape of this version; returns what was made in the series."""
        from storage import migrate

        if not self.settings.database_url:
            self.prepare_folder()
        return migrate.upgrade(self.settings.store_url)

    def series(self) -> Series:
        """Where measured values are read. Nothing is connected before the first question."""
        from storage.rolled_series import RolledSeries
        from storage.series import SqlSeries

        if self.settings.series == "influx":
            from storage.influx import Influx
            from storage.influx_series import InfluxSeries

            return RolledSeries(InfluxSeries(Influx(self.influx_at()), self.clock), self.clock)
        return RolledSeries(SqlSeries(), self.clock)

    def inflow(self) -> Inflow:
        """Where the gateway puts measured values: in tables, or in the outbox to InfluxDB."""
        if self.settings.series == "influx":
            from storage.series_outbox import Outbox

            return Outbox()
        return self.series()

    def influx_at(self) -> InfluxAt:
        """Where InfluxDB is, with the hub's own token or that of the settings; CannotStart without any."""
        from runtime.influx_token import kept_token
        from storage.influx_at import InfluxAt

        settings = self.settings
        given = settings.influx_token.get_secret_value()
        at = InfluxAt(settings.influx_url, settings.influx_org, settings.influx_bucket, given)
        at = at._replace(token=kept_token(self.var_dir, at) or given)
        if not at.token:
            raise CannotStart(
                "WAYSTATION_SERIES is influx, and no token for InfluxDB is kept in "
                f"{self.var_dir / 'keys'}: set WAYSTATION_INFLUX_TOKEN, for good or for one "
                "`./waystation db init`."
            )
        return at

    def database(self, cache_mb: int = 64) -> Database:
        """The database, which must exist and have the shape of this version; CannotStart when not."""
        from storage import revisions
        from storage.database import open_database

        url = self.settings.store_url
        if not self.settings.database_url and not Path(url.removeprefix("sqlite:///")).is_file():
            raise CannotStart(
                f"There is no database in {self.var_dir} yet; make it with `./waystation db init`, "
                "or start everything with `./waystation up`."
            )
        database = open_database(url, cache_mb=cache_mb)
        try:
            with database.read() as connection:
                found = revisions.revision(connection)
        except BaseException:
            database.close()
            raise
        if found != revisions.newest():
            from storage import migrate

            database.close()
            migrate.refuse_newer(found)
            state = (
                "is empty"
                if found is None
                else f"is at revision {found}, this version needs {revisions.newest()}"
            )
            raise CannotStart(f"The database {state}; run `./waystation db upgrade`.")
        return database
