"""`waystation sim`: pretend stations, and things that go wrong with them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.commands_process import foreground
from runtime.installation import Installation
from runtime.output import complain, say, show_table

if TYPE_CHECKING:
    from device_sim.scenario import Scenario

app = typer.Typer(
    invoke_without_command=True,
    help="The simulator: run it alone, or break and repair what it plays.",
)
Station = Annotated[str, typer.Argument(help="Such as 331002-0001.")]
Device = Annotated[str | None, typer.Argument(help="Such as swap_cabinet/1; none means the whole station.")]


@app.callback()
def run(
    ctx: typer.Context,
    stations: Annotated[
        int | None, typer.Option(min=1, max=20_000, help="How many; as WAYSTATION_STATIONS.")
    ] = None,
    watched: Annotated[bool, typer.Option("--watched", hidden=True)] = False,
    part: Annotated[str | None, typer.Option("--part", hidden=True)] = None,
) -> None:
    """Run the simulated stations until Ctrl-C, or break one of them.

    Example: ./waystation sim --stations 12000
    """
    if ctx.invoked_subcommand is None:
        if stations is not None:
            # The processes that share them read it too.
            os.environ["WAYSTATION_STATIONS"] = str(stations)
        number, _, parts = (part or "").partition("/")
        name = "sim" if part is None else f"sim-{int(number) + 1}"
        with foreground(name, watched) as here:
            from runtime.simulator_process import run_simulator

            share = (int(number), int(parts)) if part else None
            run_simulator(here, share, fills=stations is not None and part is None)


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
        list[str] | None,
        typer.Option(help="Any other argument of `sim list --faults`, such as --arg minutes=90."),
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


def _ask(request: Mapping[str, Any]) -> Any:
    from device_sim.control import ask

    return ask(Installation.from_environment().var_dir, request)


@app.command("run-scenario")
def run_scenario(
    scenario: Annotated[
        str, typer.Argument(help="hot_week, county_without_power, recalled_batch, or a file of your own.")
    ],
    in_process: Annotated[
        bool, typer.Option("--in-process", help="Live through it here, on moved time, without a broker.")
    ] = False,
    stations: Annotated[int | None, typer.Option(min=1, help="Fewer stations than the file says.")] = None,
    days: Annotated[float | None, typer.Option(min=0.05, help="Fewer days than the file says.")] = None,
    processes: Annotated[int | None, typer.Option(min=1, help="Default: one for each core.")] = None,
    rules: Annotated[Path | None, typer.Option(help="Another rulebook than the shipped one.")] = None,
    speed: Annotated[
        float, typer.Option(min=1, max=10_000, help="Live only: how much faster faults follow each other.")
    ] = 1.0,
) -> None:
    """Break what a scenario says, in the running simulator, or in a simulated week that ends with a table.

    Example: ./waystation sim run-scenario hot_week --in-process --stations 60 --days 1
    """
    from device_sim.scenario import load_scenario

    page = load_scenario(scenario)
    if in_process:
        _live_through(page, rules, stations, days, processes)
        return
    from device_sim.scenario_runs import run_live
    from runtime.first_stations import planned

    settings = Installation.from_environment().settings
    played = {one["station"] for one in _ask({"do": "status"})}
    plans = [plan for plan in planned(settings) if plan.id in played][:stations]
    count = run_live(page, plans, _ask, say, speed=speed, days=days)
    say(f"{count} faults were injected. What is broken still: ./waystation sim list")


def _live_through(
    page: Scenario, rules: Path | None, stations: int | None, days: float | None, processes: int | None
) -> None:
    from runtime.first_rulebook import SHIPPED, read_text
    from runtime.week_report import HEAD, remarks, run_scenario, table

    outcome = run_scenario(
        page, read_text(rules or SHIPPED), stations=stations, days=days, processes=processes, say=complain
    )
    show_table(HEAD, table(outcome), "Nothing happened.")
    for sentence in remarks(outcome):
        say(sentence)
