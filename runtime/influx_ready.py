"""Makes InfluxDB ready for this hub: what `db init` and `up` do where readings go there."""

from __future__ import annotations

from runtime.influx_token import keep_token, kept_token
from runtime.installation import Installation
from storage.influx import InfluxLocked
from storage.influx_setup import make_token, prepare, serves


def prepare_influx(here: Installation) -> list[str]:
    """Make buckets, task and a token of the hub's own, as far as they are missing; returns what was done.

    A token of the settings that may make none of these is enough where the buckets are there. Raises
    InfluxAway, InfluxLocked, CannotPrepare, and CannotStart where no token is known at all.
    """
    at, settings = here.influx_at(), here.settings
    given = at._replace(token=settings.influx_token.get_secret_value())
    if not given.token:
        if not serves(at):
            raise InfluxLocked(
                "InfluxDB does not take the hub's own token any more: set WAYSTATION_INFLUX_TOKEN to one "
                "that may make tokens, and run `./waystation db init`."
            )
        return []
    try:
        done = prepare(given, settings.retention_days, settings.rollup_retention_days)
    except InfluxLocked:
        if serves(given):
            return []
        raise
    kept = kept_token(here.var_dir, given)
    if kept is None or not serves(given._replace(token=kept)):
        try:
            keep_token(here.var_dir, given, make_token(given))
        except InfluxLocked:
            return [*done, "The token of the settings may make no other, so the hub works with that one."]
        done.append("The hub has a token of its own, which reads and writes its buckets and nothing else.")
    return done
