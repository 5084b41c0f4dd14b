"""`waystation sim`: pretend stations, and things that go wrong with them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from runtime.commands_process import foreground
from runtime.installation import Installation
from runtime.output import say, show_table

app = typer.Typer(
    invoke_without_command=True,
    help="The simulator: run it alone, or break and repair what it plays.",
)
Station = Annotated[str, typer.Argument(help="Such as 331002-0001.")]
Device = Annotated[str | None, typer.Argument(help="Such as swap_cabinet/1; none means the whole station.")]


@app.callback()
def run(ctx: typer.Context, watched: Annotated[bool, typer.Option("--watched", hidden=True)] = False) -> None:
    """Run the simulated stations until Ctrl-C, or break one of them.

    Example: ./waystation sim
    """
    if ctx.invoked_subcommand is None:
        with foreground("sim", watched) as here:
            from runtime.simulator_process import run_simulator

            run_simulator(here)


@app.command()
def fault(
    station: Station,
    device: Annotated[
        str, typer.Argument(help="Such as swap_cabinet/1, or `station` for the whole station.")
    ],
    name: Annotated[str, typer.Argument(help="What goes wrong; `sim list --faults` shows all.")],
    slot: Annotated[int | None, typer.Option(help="Which slot of a cabinet.")] = None,
    for_s: Annotated[float | None, typer.Option(help="Heal by itself after so many seconds.")] = None,
    arg: Annotated[
        list[str] | None, typer.Option(help="Any other argument, such as --arg minutes=90.")
    ] = None,
) -> None:
    """Break something.

    Example: ./waystation sim fault 331002-0001 swap_cabinet/1 overheat --slot 3
    """
    args: dict[str, Any] = {}
    if slot is not None:
        args["slot"] = slot
    if for_s is not None:
        args["for_s"] = for_s
    for text in arg or []:
        key, sign, value = text.partition("=")
        try:
            args[key] = float(value)
        except ValueError:
            sign = ""
        if not sign:
            raise typer.BadParameter(f"{text!r} is not like minutes=90")
    of = None if device == "station" else device
    used = _ask({"do": "fault", "station": station, "device": of, "fault": name, "args": args})
    args_used = ", ".join(f"{key} {value:g}" for key, value in used.items() if value is not None)
    how = f" ({args_used})" if args_used else ""
    say(f"{station} {device}: {name}{how}. It is over with: ./waystation sim heal {station}")


@app.command()
def heal(
    station: Station,
    device: Device = None,
    name: Annotated[str | None, typer.Argument(help="Only this fault.")] = None,
) -> None:
    """Repair one fault, all of a device, or all of a station.

    Example: ./waystation sim heal 331002-0001
    """
    of = None if device in (None, "station") else device
    repaired = _ask({"do": "heal", "station": station, "device": of, "fault": name})
    say(f"{station}: repaired {', '.join(repaired)}." if repaired else f"{station}: nothing was broken.")


@app.command("list")
def list_(
    faults: Annotated[bool, typer.Option("--faults", help="What can go wrong, instead of stations.")] = False,
) -> None:
    """Show what is simulated, or what can go wrong.

    Example: ./waystation sim list --faults
    """
    if faults:
        known = _ask({"do": "faults"})
        show_table(
            ("where", "fault", "what happens", "arguments"),
            (
                (place, name, one["text"], "; ".join(f"{key}: {text}" for key, text in one["args"].items()))
                for place, kinds in known.items()
                for name, one in kinds.items()
            ),
            "Nothing can go wrong here.",
        )
        return
    show_table(
        ("station", "name", "connected", "devices", "held", "dropped", "faults"),
        (
            (
                one["station"],
                one["name"],
                "yes" if one["connected"] else "no",
                " ".join(one["devices"]),
                one["held"],
                one["dropped"],
                ", ".join(one["faults"]),
            )
            for one in _ask({"do": "status"})
        ),
        "No station is simulated.",
    )


def _ask(request: dict[str, Any]) -> Any:
    from device_sim.control import ask

    return ask(Installation.from_environment().var_dir, request)
