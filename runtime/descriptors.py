"""Room for many connections: how many files this process may have open, raised as far as it may."""

from __future__ import annotations

import resource

from runtime.installation import CannotStart

BESIDES = 200
"""Database, logs, listeners and whatever else is open."""


def make_room(connections: int) -> None:
    """Raise the soft limit for so many connections; CannotStart when the hard limit is too low."""
    needed = connections + BESIDES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise CannotStart(
            f"{connections} stations need {needed} open files in one process, this machine allows {hard}: "
            "raise it with `ulimit -Hn`, or set WAYSTATION_SIM_PROCESSES to more processes."
        )
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    except (ValueError, OSError) as exc:
        raise CannotStart(
            f"The limit of open files cannot be raised from {soft} to {needed}: {exc}."
        ) from exc
