"""What became of a command: as it stands, and as a stream of its steps."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Final

from anyio import to_thread
from fastapi import APIRouter, Path, Response

from api import door_shapes
from api.caller import Caller, needs
from api.problems import declared, not_found
from api.state import ApiState, Hub
from api.streams import EventStream, Reader, documented, event
from api.times import text_of
from domain.errors import NotFound, StorageUnavailable
from storage import commands, stations
from storage.commands import CommandRow, Step

router = APIRouter(prefix="/api/v1", tags=["doors"])
CommandId = Annotated[str, Path(pattern=r"^[0-9A-Za-z_.-]{1,64}$")]
Opener = Annotated[Caller, needs("door:open")]

QUICK_S: Final = 0.1
QUICK_FOR_S: Final = 12.0
SLOW_S: Final = 1.0
AT_MOST_S: Final = 45.0


@router.get(
    "/commands/{command_id}", response_model=door_shapes.Command, responses=declared(401, 403, 404, 422, 503)
)
def get_command(hub: Hub, caller: Opener, command_id: CommandId) -> dict[str, Any]:
    """A command with its steps so far; one that ran out of time is ended by looking at it."""
    row, steps = read_command(hub, command_id)
    see_command(hub, caller, row)
    return {
        "id": row.id,
        "station": row.device.station,
        "device": row.device.short,
        "action": row.action,
        "state": row.state,
        "reason": row.reason,
        "steps": [step_json(row, steps, at) for at in range(len(steps))],
        "final": row.final,
    }


@router.get(
    "/commands/{command_id}/stream",
    response_class=EventStream,
    status_code=200,
    responses={
        **documented("Every step as an event with JSON data, until one is final.", "step"),
        **declared(401, 403, 404, 422, 503),
    },
)
async def stream_command(hub: Hub, caller: Opener, command_id: CommandId) -> Response:
    """The steps so far and each one that follows, at once; ends after the final one."""
    row, steps = await _read_in_thread(hub, command_id)
    await to_thread.run_sync(see_command, hub, caller, row, limiter=hub.unlock_threads)
    reader = Reader(64)
    hub.stopping.add(reader.close)
    follower = asyncio.create_task(_follow(hub, reader, row, steps))

    def end() -> None:
        follower.cancel()
        hub.stopping.discard(reader.close)

    return EventStream(reader, end, write_within_s=hub.options.write_within_s)


async def _follow(hub: ApiState, reader: Reader, row: CommandRow, steps: Sequence[Step]) -> None:
    begun_s = hub.clock.monotonic_s()
    told = 0
    try:
        while not reader.closed:
            for at in range(told, len(steps)):
                reader.put(event("step", step_json(row, steps, at)))
            told = max(told, len(steps))
            passed_s = hub.clock.monotonic_s() - begun_s
            if row.final or passed_s > AT_MOST_S:
                return
            await hub.wakeups.wait(row.id, QUICK_S if passed_s < QUICK_FOR_S else SLOW_S)
            try:
                row, steps = await _read_in_thread(hub, row.id)
            except StorageUnavailable:
                await asyncio.sleep(SLOW_S)
    except NotFound:
        return
    finally:
        reader.close()


async def _read_in_thread(hub: ApiState, command_id: str) -> tuple[CommandRow, list[Step]]:
    return await to_thread.run_sync(read_command, hub, command_id, limiter=hub.unlock_threads)


def read_command(hub: ApiState, command_id: str) -> tuple[CommandRow, list[Step]]:
    """A command and its steps; ends it first if its time has run out. Raises NotFound."""
    row, steps = _read(hub, command_id)
    if commands.is_overdue(row):
        with hub.db.write() as conn:
            commands.end_overdue(conn, hub.db.now_ms(conn))
        row, steps = _read(hub, command_id)
    return row, steps


def _read(hub: ApiState, command_id: str) -> tuple[CommandRow, list[Step]]:
    with hub.db.read() as conn:
        row = commands.by_id(conn, command_id)
        if row is None:
            raise NotFound(f"There is no command {command_id} here.")
        return row, commands.steps(conn, command_id)


def see_command(hub: ApiState, caller: Caller, row: CommandRow) -> None:
    """Raise NotFound for a command at a station that is not theirs."""
    with hub.db.read() as conn:
        try:
            if caller.sees(stations.get_station(conn, row.device.station)):
                return
        except NotFound:
            pass
    raise not_found(f"command {row.id}")


def step_json(row: CommandRow, steps: Sequence[Step], at: int) -> dict[str, Any]:
    """One step; the last one also says why, and whether it is the end."""
    step, last = steps[at], at == len(steps) - 1
    return {
        "state": step.state,
        "at": text_of(step.at_ms),
        "after_s": max(0, step.at_ms - row.requested_ms) / 1000,
        "detail": step.detail,
        "reason": row.reason if last and step.state == row.state else None,
        "final": last and row.final and step.state == row.state,
    }
