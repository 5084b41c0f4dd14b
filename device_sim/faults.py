"""The faults that any station or device can have, whatever its kind."""

from __future__ import annotations

from collections.abc import Mapping

from device_sim.fault_kind import Argument, FaultKind

STATION_FAULTS: Mapping[str, FaultKind] = {
    "dead_link": FaultKind(
        "the connection breaks off; what happens meanwhile is kept and sent later",
        {"seconds": Argument("how long", 0.1, 30 * 86_400, 60)},
        once=True,
    ),
    "no_power": FaultKind(
        "the whole station has no power: nothing is said, and what the box held is forgotten"
    ),
    "clock_off": FaultKind(
        "the station's clock is wrong", {"minutes": Argument("how much it is ahead", -525_600, 525_600, 60)}
    ),
    "no_clock": FaultKind("the station does not know the time"),
    "duplicates": FaultKind("every message is sent twice"),
    "reordering": FaultKind(
        "messages overtake each other", {"seconds": Argument("by how much at most", 0.01, 60, 1.5)}
    ),
    "garbage": FaultKind(
        "some messages are unreadable", {"every": Argument("every how many-th", 1, 1_000_000, 10)}
    ),
    "lost": FaultKind(
        "some publishes never reach the broker", {"every": Argument("every how many-th", 2, 1_000_000, 10)}
    ),
    "slow_buffer": FaultKind(
        "the box sends slowly", {"per_s": Argument("messages a second", 0.01, 1_000, 1)}
    ),
    "overflow": FaultKind(
        "the buffer is small, so telemetry is given up", {"capacity": Argument("messages", 1, 100_000, 50)}
    ),
}

DEVICE_FAULTS: Mapping[str, FaultKind] = {
    "link_freeze": FaultKind(
        "commands do not reach the device although the station is online; with late=1 they come afterwards",
        {
            "seconds": Argument("how long", 0.1, 86_400, 40),
            "late": Argument("1: commands come when it is over, 0: they are lost", 0, 1, 0),
        },
        once=True,
    ),
}
