"""`waystation up` and its parts: broker, gateway, api, courier, each in the foreground until Ctrl-C."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from domain.errors import WaystationError
from runtime.installation import CannotStart, Installation
from runtime.listening import EVERY_ADDRESS, shows_own_certificate
from runtime.logs import start_logging
from runtime.stopping import end_with_parent

Watched = Annotated[bool, typer.Option("--watched", hidden=True, help="End when standard input ends.")]


CRASHED = 70
logger = logging.getLogger(__name__)


@contextmanager
def foreground(process: str, watched: bool = False) -> Iterator[Installation]:
    """The installation that a long-running process works with.

    Its log lines go to their file from here on, and so does the traceback of an error that nobody foresaw.
    """
    here = Installation.from_environment()
    here.prepare_folder()
    file = start_logging(process, here.settings)
    if watched:
        end_with_parent()
    try:
        yield here
    except (WaystationError, OSError) as exc:
        # The command line says it on the terminal.
        logger.error("%s", exc, extra={"action": "ended", "file_only": True})
        raise
    except typer.Exit:
        raise
    except Exception as exc:
        logger.critical(
            "Ended by an error that nobody foresaw (%s: %s); %s has the rest",
            type(exc).__name__,
            exc,
            file or "the traceback",
            exc_info=exc,
            extra={"action": "crashed"},
        )
        raise typer.Exit(CRASHED) from None


class OptionalAddress(TyperCommand):
    """A command whose `--listen` may stand alone: then it means every address of this machine."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        bare = [
            at
            for at, word in enumerate(args)
            if word == "--listen" and (at + 1 == len(args) or args[at + 1].startswith("-"))
        ]
        for at in reversed(bare):
            args.insert(at + 1, EVERY_ADDRESS)
        return list(super().parse_args(ctx, args))


def up(
    listen: Annotated[
        str | None,
        typer.Option(
            "--listen",
            metavar="[ADDRESS]",
            help="Take stations from the network: MQTT over TLS on this address, or on all of them.",
        ),
    ] = None,
) -> None:
    """Start everything: broker, gateway, API, courier and simulator. Ctrl-C ends it; the data stay.

    Without --listen the broker takes stations of this machine only, without TLS.

    Example: ./waystation up --listen
    """
    with foreground("up") as here:
        from runtime.up import Up

        code = Up(here, listen).run()
    raise typer.Exit(code)


def broker(watched: Watched = False) -> None:
    """Run the embedded broker, or Mosquitto where WAYSTATION_BROKER is mosquitto.

    Example: ./waystation broker
    """
    with foreground("broker", watched) as here:
        from runtime.broker_address import listener_tls, prepare_certificate
        from runtime.broker_run import run_broker

        settings = here.settings
        if settings.broker == "mosquitto":
            from runtime.mosquitto_files import become_mosquitto

            become_mosquitto(here)
        if settings.broker != "embedded":
            raise CannotStart(
                f"WAYSTATION_BROKER is {settings.broker}: the broker is elsewhere, none is run here."
            )
        own = shows_own_certificate(settings)
        if own:
            prepare_certificate(here)
        run_broker(
            settings.var_dir,
            settings.mqtt_port,
            settings.nats_port,
            settings.mqtt_bind,
            tls=listener_tls(settings),
            renew=(lambda: prepare_certificate(here)) if own else None,
        )


def gateway(watched: Watched = False) -> None:
    """Run the gateway, which takes what stations say, decides and commands; one at a time.

    Ends with code 3 when another gateway takes over.

    Example: ./waystation gateway
    """
    with foreground("gateway", watched) as here:
        from runtime.gateway_process import run_gateway

        run_gateway(here)


def api(watched: Watched = False) -> None:
    """Run the API and the pages; any number of them may run, each with its own WAYSTATION_API_PORT.

    Example: WAYSTATION_API_PORT=8601 ./waystation api
    """
    with foreground("api", watched) as here:
        from runtime.api_process import run_api

        run_api(here)


def courier(watched: Watched = False) -> None:
    """Run the courier, which sends alerts to WAYSTATION_WEBHOOK_URL and sweeps out old rows.

    Example: ./waystation courier
    """
    with foreground("courier", watched) as here:
        from runtime.courier_process import run_courier

        run_courier(here)


def add_to(app: typer.Typer) -> None:
    """Make these commands of `app`."""
    app.command(cls=OptionalAddress)(up)
    for command in (broker, gateway, api, courier):
        app.command()(command)
