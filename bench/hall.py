"""What benches share: a broker, a database full of stations, and a gateway made like the real one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from device_sim.station_plan import StationPlan
from domain import topics
from domain.ids import edge_box
from gateway.options import GatewayOptions
from gateway.service import Gateway
from runtime.clock import WallClock
from runtime.secrets import Secrets, load_or_create_secrets
from signing.keys import SigningKey
from signing.station_credential import Permissions, user_jwt
from storage import registry, rulebooks, stations
from storage.database import Database, open_database
from storage.inflow import Inflow
from storage.migrate import upgrade
from storage.series import SqlSeries
from transport.hub import HubLink
from transport.lane import LaneOptions

RULEBOOK = Path(__file__).resolve().parent.parent / "rules" / "rulebook.yaml"


@dataclass(frozen=True, slots=True)
class Hall:
    """Keys, database and where the broker listens."""

    secrets: Secrets
    database: Database
    port: int


def open_hall(var: Path, url: str, port: int) -> Hall:
    """The same keys and database for every process of one bench."""
    return Hall(load_or_create_secrets(var, WallClock().now_ms()), open_database(url), port)


def publisher_password(secrets: Secrets) -> str:
    """A credential that may speak for every station; it exists only in benches."""
    user = SigningKey(bytes(31) + b"\x01").verify_key
    return user_jwt(
        secrets.account, user, "bench", Permissions(("ws.>",), ("ws.>",)), WallClock().now_ms() // 1000
    )


def furnish(url: str, plans: list[StationPlan]) -> None:
    """Write stations and devices, and the rulebook of the program."""
    upgrade(url)
    database = open_database(url)
    with database.write() as connection:
        stations.put_stations(
            connection,
            [
                stations.Station(
                    p.id, p.adcode, p.area, p.number, p.name, p.name_en, hours=p.hours, capacity=p.capacity
                )
                for p in plans
            ],
        )
        registry.put_devices(
            connection,
            [registry.Device(p.device_id(d), edge_box(p.id)) for p in plans for d in p.devices],
        )
        rulebooks.seed(connection, RULEBOOK.read_text(encoding="utf-8"), 0)
    database.close()


def make_gateway(hall: Hall, series: Inflow | None = None) -> Gateway:
    """A gateway as `waystation gateway` makes it; its readings go into the same database unless told."""
    ids, password = hall.secrets.client_ids, hall.secrets.broker_passwords["gateway"]
    quick = ((topics.QUICK_FILTER, 1), (topics.COMMAND_HINTS, 0))
    hub = HubLink(
        "127.0.0.1",
        hall.port,
        {
            "quick": LaneOptions(client_id=ids.quick, filters=quick, username="gateway", password=password),
            "bulk": LaneOptions(
                client_id=ids.bulk, filters=((topics.BULK_FILTER, 1),), username="gateway", password=password
            ),
        },
        30_000,
        WallClock().now_ms,
    )
    return Gateway(
        hall.database,
        series or SqlSeries(),
        hub,
        hall.secrets.commands.active,
        WallClock(),
        GatewayOptions(channels=()),
    )
