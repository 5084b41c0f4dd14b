"""`waystation credential`: what a station needs to speak to the broker, given and taken back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domain import topics
from domain.ids import DeviceId, edge_box
from runtime.installation import Installation
from runtime.output import moment, say, show_table
from runtime.way_in import way_in

if TYPE_CHECKING:
    from devices.kind import Kind

app = typer.Typer(no_args_is_help=True, help="Credentials of stations at the broker.")
Station = Annotated[str, typer.Argument(help="Such as 331002-0001.")]


@dataclass(frozen=True, slots=True)
class Given:
    """A credential just made, and what it is for."""

    adcode: str
    speaker: DeviceId
    devices: tuple[DeviceId, ...]
    password: str


@app.command()
def issue(
    station: Station,
    device: Annotated[
        str | None,
        typer.Option(help="A device, such as door_lock/1, that holds a connection of its own from now on."),
    ] = None,
    password_only: Annotated[
        bool, typer.Option("--password-only", help="Print nothing but the password, for scripts.")
    ] = False,
) -> None:
    """Make a credential, show it this once, and say how to connect with it.

    Without --device it is for the station's edge box, which speaks for all devices. A credential is
    good for the station's own topics only.

    Example: ./waystation credential issue 331002-0001
    """
    from runtime.commands_mosquitto import tell_mosquitto
    from runtime.equipment import device_id
    from signing.station_credential import read_jwt
    from storage import audit, credentials, registry, stations

    here = Installation.from_environment()
    secrets = here.secrets()
    now_ms = here.now_ms()
    speaker = edge_box(station) if device is None else device_id(station, device)
    database = here.database()
    try:
        with database.write() as connection:
            adcode = stations.get_station(connection, station).adcode
            if device is not None:
                known = registry.get_device(connection, speaker)
                registry.put_devices(connection, [known._replace(speaker=speaker)])
            devices = registry.list_devices(connection, area=station)
            password = secrets.issue_station(adcode, station, now_ms)
            serial = str(read_jwt(password, secrets.account.verify_key)["jti"])
            credentials.add_credential(connection, credentials.Credential(speaker, serial, now_ms))
            audit.note(connection, now_ms, "cli", "credential.issue", str(speaker), "ok")
        tell_mosquitto(here, database)
    finally:
        database.close()
    if password_only:
        say(password)
        return
    own = tuple(one.id for one in devices if one.speaker == speaker)
    _explain(here, Given(adcode, speaker, own, password))


@app.command()
def revoke(station: Station) -> None:
    """Refuse every credential of a station that was issued until now, and cut off who uses one.

    Example: ./waystation credential revoke 331002-0001
    """
    from runtime.broker import reload_broker
    from runtime.commands_mosquitto import tell_mosquitto
    from storage import audit, credentials, stations

    here = Installation.from_environment()
    secrets = here.secrets()
    now_ms = here.now_ms()
    database = here.database()
    try:
        with database.write() as connection:
            adcode = stations.get_station(connection, station).adcode
            speakers = {one.speaker for one in credentials.list_credentials(connection, station)}
            for speaker in speakers:
                credentials.revoke_credentials(connection, speaker, now_ms)
            audit.note(connection, now_ms, "cli", "credential.revoke", station, "ok")
            secrets.revoke_station(adcode, station, now_ms)
        tell_mosquitto(here, database)
    finally:
        database.close()
    if here.settings.broker == "mosquitto":
        say(f"All credentials of {station} are revoked; Mosquitto refuses them when it has read its files.")
        return
    told = reload_broker(here.var_dir, secrets, here.clock)
    when = "the broker refuses them from now on" if told else "the broker will refuse them when it starts"
    say(f"All credentials of {station} are revoked; {when}.")


@app.command("list")
def list_(
    station: Annotated[str | None, typer.Argument(help="Only of this station.")] = None,
) -> None:
    """Show who was given a credential, and when; never the credential.

    Example: ./waystation credential list 331002-0001
    """
    from storage import credentials

    database = Installation.from_environment().database()
    try:
        with database.read() as connection:
            rows = credentials.list_credentials(connection, station)
    finally:
        database.close()
    show_table(
        ("speaker", "issued", "revoked"),
        ((str(row.speaker), moment(row.issued_ms), moment(row.revoked_ms)) for row in rows),
        "No credential was issued yet.",
    )


@app.command()
def keys() -> None:
    """Show the public keys with which devices check commands; to be put into hardware at provisioning.

    Example: ./waystation credential keys > hub-keys.json
    """
    from signing.keys import verify_keys_to_text

    say(verify_keys_to_text(Installation.from_environment().secrets().command_verify_keys).rstrip())


@app.command()
def share(
    folder: Annotated[Path, typer.Argument(help="Gets a folder for each part, with a folder keys in it.")],
) -> None:
    """Give broker, gateway, api, courier and sim a folder each, with only the keys that it works with.

    For parts that run as different users or in containers: each gets its folder as WAYSTATION_VAR_DIR. Run
    it again before each start, so that all know what was made or taken back.

    Example: ./waystation credential share /srv/waystation-parts
    """
    from runtime.key_shares import SHARES, share_out

    share_out(Installation.from_environment().var_dir, folder)
    say(f"Each has its own keys in {folder}: {', '.join(SHARES)}.")


def _explain(here: Installation, given: Given) -> None:
    from runtime.station_passwords import username

    way = way_in(here.settings)
    name = username(given.speaker) if way.names_count else "station"
    link = topics.link(given.adcode, given.speaker)
    say(f"host      {way.host}")
    say(f"port      {way.port}  (MQTT 3.1.1{', TLS' if way.authority else ''})")
    if way.authority:
        say(f"ca file   {way.authority}")
    say(f"username  {name}{'' if way.names_count else '  (any name)'}")
    say(f"password  {given.password}")
    say("")
    say("It is shown this once; `./waystation credential revoke` takes it back. To try it in a terminal:")
    say("")
    say(f"password='{given.password}'")
    cafile = f" --cafile {way.authority}" if way.authority else ""
    to = f'-h {way.host} -p {way.port} -u {name} -P "$password"{cafile} -q 1'
    say(f'say() {{ mosquitto_pub {to} -t "$1" -m "$2"; }}')
    say(f'say {link} \'{{"v":1,"online":true,"boot":"hand1","conn":1}}\'')
    for seq, device in enumerate(given.devices, 1):
        from devices.registry import kinds

        topic = topics.telemetry(given.adcode, device)
        content = example_content(kinds()[device.kind])
        say(f'say {topic} \'{{"v":1,"ts":null,"boot":"hand1","seq":{seq},{content}}}\'')
    say("")
    say("Without mosquitto_pub: ./waystation station say TOPIC JSON sends the same message.")


def example_content(kind: Kind) -> str:
    """The inside of a small telemetry message of a kind, as one would type it."""
    examples = {
        "door_lock": '"bolt":"locked","leaf":"closed","mode":"normal"',
        "swap_cabinet": '"status":"idle","slots":[{"n":3,"state":"charging","temp_c":31.5}]',
        "occupancy_sensor": '"count_raw":3,"presence":true',
    }
    first = next(iter(kind.metrics.values()))
    return examples.get(kind.name, f'"{first.name}":null')
