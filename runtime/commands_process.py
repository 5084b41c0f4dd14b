"""`waystation up` and its parts: broker, gateway, api, courier, each in the foreground until Ctrl-C."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime.installation import Installation
from runtime.logs import start_logging
from runtime.stopping import end_with_parent

Watched = Annotated[bool, typer.Option("--watched", hidden=True, help="End when standard input ends.")]


def begin(process: str, watched: bool) -> Installation:
    """The installation that a long-running process works with; its log lines go to their file from now on."""
    here = Installation.from_environment()
    here.prepare_folder()
    start_logging(process, here.settings)
    if watched:
        end_with_parent()
    return here


def up() -> None:
    """Start everything: broker, gateway, API, courier and simulator. Ctrl-C ends it; the data stay.

    Example: ./waystation up
    """
    from runtime.up import Up

    here = Installation.from_environment()
    here.prepare_folder()
    start_logging("up", here.settings)
    raise typer.Exit(Up(here).run())


def broker(watched: Watched = False) -> None:
    """Run the embedded broker.

    Example: ./waystation broker
    """
    from runtime.broker import run_broker

    settings = begin("broker", watched).settings
    run_broker(settings.var_dir, settings.mqtt_port, settings.nats_port, settings.mqtt_bind)


def gateway(watched: Watched = False) -> None:
    """Run the gateway, which takes what stations say, decides and commands; one at a time.

    Ends with code 3 when another gateway takes over.

    Example: ./waystation gateway
    """
    here = begin("gateway", watched)
    from runtime.gateway_process import run_gateway

    run_gateway(here)


def api(watched: Watched = False) -> None:
    """Run the API and the pages; any number of them may run, each with its own WAYSTATION_API_PORT.

    Example: WAYSTATION_API_PORT=8601 ./waystation api
    """
    here = begin("api", watched)
    from runtime.api_process import run_api

    run_api(here)


def courier(watched: Watched = False) -> None:
    """Run the courier, which sends alerts to WAYSTATION_WEBHOOK_URL and sweeps out old rows.

    Example: ./waystation courier
    """
    here = begin("courier", watched)
    from runtime.courier_process import run_courier

    run_courier(here)


def add_to(app: typer.Typer) -> None:
    """Make these commands of `app`."""
    for command in (up, broker, gateway, api, courier):
        app.command()(command)
