"""The command line: its groups, and how its mistakes are told."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from domain.errors import BadSettings, ShardLost, StorageUnavailable, WaystationError
from runtime import (
    commands_conform,
    commands_credential,
    commands_db,
    commands_health,
    commands_mosquitto,
    commands_process,
    commands_quarantine,
    commands_report,
    commands_rotate,
    commands_rules,
    commands_series,
    commands_sim,
    commands_station,
    commands_token,
)
from runtime.broker import BrokerFailed
from runtime.installation import CannotStart
from runtime.key_files import BadSecrets
from runtime.output import complain

REFUSED = 1
CANNOT_START = 2
SHARD_LOST = 3
_CANNOT_START = (BadSettings, BadSecrets, BrokerFailed, CannotStart, StorageUnavailable)


def exit_code(error: WaystationError) -> int:
    """1: what was asked cannot be done. 2: settings or surroundings are wrong. 3: the shard is another's."""
    if isinstance(error, ShardLost):
        return SHARD_LOST
    newer = type(error).__name__ == "NewerDatabase"  # importing it would import all of SQLAlchemy
    return CANNOT_START if newer or isinstance(error, _CANNOT_START) else REFUSED


class Commands(TyperGroup):
    """Tells an error of Waystation, or of the machine, in its own sentence, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except WaystationError as error:
            complain(str(error))
            raise typer.Exit(exit_code(error)) from None
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            complain(f"The machine refuses: {error.strerror or error}{where}.")
            raise typer.Exit(CANNOT_START) from None


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Waystation: doors, cabinets and seats of unattended rest stations.\n\n"
    "`./waystation up` starts everything; each part can also run alone.",
)
commands_process.add_to(app)
commands_conform.add_to(app)
app.add_typer(commands_sim.app, name="sim")
app.add_typer(commands_db.app, name="db")
app.add_typer(commands_station.app, name="station")
commands_mosquitto.add_to(commands_credential.app)
commands_rotate.add_to(commands_credential.app)
app.add_typer(commands_credential.app, name="credential")
app.add_typer(commands_token.app, name="token")
app.add_typer(commands_rules.app, name="rules")
app.add_typer(commands_quarantine.app, name="quarantine")
app.add_typer(commands_series.app, name="series")
app.command("report")(commands_report.report)
app.command("health")(commands_health.health)
