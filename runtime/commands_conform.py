"""`waystation conform`: plays the hub against one real device and says what of the contract it keeps."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from runtime.installation import CannotStart, Installation
from runtime.output import complain, say

if TYPE_CHECKING:
    from conform.door import Door
    from conform.sitter import Sitter
    from conform.sitting import Sitting
    from runtime.secrets import Secrets

BROKEN = 1
Say = Callable[[str], None]


def add_to(app: typer.Typer) -> None:
    """The command of this file."""
    app.command()(conform)


def conform(
    station: Annotated[str, typer.Option(help="Such as 331002-9001; it need not be registered.")],
    listen: Annotated[
        bool, typer.Option("--listen", help="Be the broker, for this device alone; shows and cuts its line.")
    ] = False,
    seconds: Annotated[float, typer.Option(min=5, help="How long at the most.")] = 720.0,
    full_report_s: Annotated[
        float, typer.Option(min=10, help="How often all fields have to come: 600 in the contract.")
    ] = 600.0,
    shut_s: Annotated[
        float | None, typer.Option(min=1, help="How long the line stays cut; otherwise a period and 5 s.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="The speaker, such as door_lock/1, when it is no edge box.")
    ] = None,
    action: Annotated[str | None, typer.Option(help="The command to try, such as unlock.")] = None,
    adcode: Annotated[
        str | None,
        typer.Option(help="Division in the topics; otherwise the first six digits of the station."),
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="With --listen; otherwise WAYSTATION_MQTT_PORT.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Examine a device, check by check: kept, broken, or not seen, each with what was seen.

    It commands the device (a lock unlocks), withholds acks and, with --listen, cuts the line: only on a
    bench. Without --listen it works on this installation's broker while no gateway runs. Ctrl-C ends it
    early and shows what was seen.

    Example: ./waystation conform --station 331002-9001 --listen
    """
    from conform import report
    from conform.sitter import Sitter
    from conform.sitting import Sitting
    from domain.ids import is_adcode, is_station_id
    from runtime.equipment import device_id
    from signing.keys import SigningKey

    if not is_station_id(station):
        raise typer.BadParameter(f"{station!r} is not a station like 331002-9001.", param_hint="--station")
    division = adcode or station[:6]
    if not is_adcode(division):
        raise typer.BadParameter(f"{division!r} is not a division code of six digits.", param_hint="--adcode")
    here = Installation.from_environment()
    secrets = here.secrets()
    speaker = None if device is None else device_id(station, device)
    sitter = Sitter(
        adcode=division,
        station=station,
        key=secrets.commands.active,
        strange_key=SigningKey(os.urandom(32)),
        word=lambda: f"conform-{os.urandom(8).hex()}",
        speaker=speaker,
        seconds=seconds,
        full_report_s=full_report_s,
        shut_s=shut_s,
        shows_connections=listen,
        command=action,
    )
    sitting = Sitting(sitter)
    tell = complain if as_json else say
    # Whoever was started by a script in the background has been told to ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if listen:
            _at_the_door(here, secrets, sitter, sitting, port, tell)
        else:
            _over_the_broker(here, secrets, sitter, sitting, tell)
    except KeyboardInterrupt:
        sitting.stop(here.clock.monotonic_s())
    verdicts, heard = sitting.verdicts(), sitting.heard
    if as_json:
        say(json.dumps(report.as_json(station, verdicts, heard), ensure_ascii=False, indent=1))
    else:
        for line in report.as_lines(verdicts, heard):
            say(line)
    if not report.passed(verdicts, heard):
        raise typer.Exit(BROKEN)


def _at_the_door(
    here: Installation, secrets: Secrets, sitter: Sitter, sitting: Sitting, port: int | None, tell: Say
) -> None:
    from conform.examination import at_the_door
    from runtime.way_in import way_in

    door = _open_door(here, secrets, sitter, port)
    try:
        way = way_in(here.settings)
        password = secrets.issue_station(sitter.adcode, sitter.station, here.now_ms())
        tell(f"host      {way.host}")
        tell(f"port      {door.port}  (MQTT 3.1.1{', TLS' if way.authority else ''})")
        if way.authority:
            tell(f"ca file   {way.authority}")
        tell("username  station  (any name)")
        tell(f"password  {password}")
        tell("keys      ./waystation credential keys")
        tell(f"Waiting for {sitter.station}, at most {sitter.seconds:.0f} s in all; switch the device on.")
        at_the_door(sitting, door, here.clock, tell)
    finally:
        door.close()


def _open_door(here: Installation, secrets: Secrets, sitter: Sitter, port: int | None) -> Door:
    import ssl

    from conform.door import Door
    from runtime.broker_address import listener_tls, prepare_certificate
    from runtime.listening import shows_own_certificate

    settings = here.settings
    tls, context = listener_tls(settings), None
    if shows_own_certificate(settings):
        prepare_certificate(here)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.certificate, tls.key)
    chosen = settings.mqtt_port if port is None else port
    branch = f"ws/{sitter.adcode}/{sitter.station}/down/"

    def allows(password: str | None) -> bool:
        return password is not None and _is_good(secrets, sitter.station, password)

    try:
        return Door(settings.mqtt_bind, chosen, branch, allows, here.clock, context)
    except OSError as error:
        raise CannotStart(
            f"Port {chosen} on {settings.mqtt_bind} cannot be used ({error.strerror}); "
            "stop what holds it, or give another one: --port."
        ) from error


def _is_good(secrets: Secrets, station: str, password: str) -> bool:
    """Any credential of this station that was not taken back, as on the hub's own broker."""
    from signing.station_credential import BadCredential, read_jwt

    try:
        claims = read_jwt(password, secrets.account.verify_key)
    except BadCredential:
        return False
    revoked_s = secrets.revocations().get(str(claims.get("sub")), -1)
    return claims.get("name") == station and int(claims.get("iat", 0)) > revoked_s


def _over_the_broker(
    here: Installation, secrets: Secrets, sitter: Sitter, sitting: Sitting, tell: Say
) -> None:
    from conform.examination import HubLogin, over_the_broker
    from runtime.broker_address import broker_address

    broker = broker_address(here.settings)
    login = HubLogin(
        host=broker.host,
        port=broker.port,
        client_id=f"conform-{os.urandom(16).hex()}",
        password=secrets.broker_passwords["gateway"],
        tls=broker.tls,
    )
    tell(f"Listening to {sitter.station} at {broker.host}:{broker.port}, at most {sitter.seconds:.0f} s.")
    over_the_broker(sitting, login, sitter.adcode, sitter.station, here.clock, tell)
