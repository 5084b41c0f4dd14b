"""Which databases, stores of readings and brokers run together, for whom, and how the suite covers them.

One axis at a time is asked closely, since the other two cannot change its answers:

- the database: every test that takes the fixture `database_url` or `migrated_url` runs on both;
- the store of readings: tests/storage/test_series.py asks tables and InfluxDB the same questions;
- the broker: tests/transport and the roads of tests/gateway run on both, the latter also on a nats-server
  that nobody looks after.

What only shows when all three run together is one road, tests/gateway/test_every_combination.py, over all
eight. Whole hubs are started on those that `make run`, the documents and docker-compose.yml start.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

DatabaseKind = Literal["sqlite", "postgresql"]
SeriesKind = Literal["sql", "influx"]
BrokerKind = Literal["embedded", "mosquitto"]
"""`embedded` is the nats-server that comes with the hub; a cluster of one's own speaks the same."""

WORDS = {
    "sqlite": "SQLite",
    "postgresql": "PostgreSQL",
    "sql": "in the database",
    "influx": "InfluxDB",
    "embedded": "NATS",
    "mosquitto": "Mosquitto",
}


class Combination(NamedTuple):
    """A database, where readings are kept, a broker; who runs them so, and which test starts a whole hub."""

    database: DatabaseKind
    series: SeriesKind
    broker: BrokerKind
    runs_so: str
    whole_hub: str = ""

    @property
    def id(self) -> str:
        return f"{self.database}-{self.series}-{self.broker}"

    @property
    def row(self) -> str:
        """Its line in the table of CONTRIBUTING.md."""
        parts = [WORDS[self.database], WORDS[self.series], WORDS[self.broker], self.runs_so]
        return f"| {' | '.join(parts)} | {f'`{self.whole_hub}`' if self.whole_hub else ''} |"


EVERY = (
    Combination(
        "sqlite", "sql", "embedded", "`make run`: a county on one small machine", "tests/e2e/test_up.py"
    ),
    Combination(
        "sqlite", "sql", "mosquitto", "who has a Mosquitto already", "tests/e2e/test_on_mosquitto.py"
    ),
    Combination(
        "sqlite", "influx", "embedded", "who draws history in Grafana", "tests/e2e/test_up_influx.py"
    ),
    Combination("sqlite", "influx", "mosquitto", "a house of sensors that grew"),
    Combination("postgresql", "sql", "embedded", "a city: several API processes, one server to back up"),
    Combination("postgresql", "sql", "mosquitto", "a city whose broker is run by others"),
    Combination(
        "postgresql", "influx", "embedded", "`docker compose up`: a province", "tests/deploy/test_compose.py"
    ),
    Combination("postgresql", "influx", "mosquitto", "a province whose broker is run by others"),
)
