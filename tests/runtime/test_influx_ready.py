"""InfluxDB is made ready with a token of the hub's own, which can do what the hub does and nothing else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from influxdb_client import InfluxDBClient
from influxdb_client.rest import ApiException
from pydantic import SecretStr

from runtime.influx_ready import prepare_influx
from runtime.influx_token import FILE
from runtime.installation import CannotStart, Installation
from runtime.key_files import BadSecrets
from runtime.settings import Settings
from storage.influx import Influx, InfluxAt, InfluxAway, InfluxLocked
from storage.influx_setup import hourly_bucket, make_token, serves
from tests import influx as influx_server
from tests.influx import InfluxServer

pytestmark = pytest.mark.integration
OWN = "The hub has a token of its own, which reads and writes its buckets and nothing else."
COUNT = 'from(bucket: p_bucket) |> range(start: -1d) |> keep(columns: ["_time", "_value"])'


@pytest.fixture(scope="module")
def server() -> Iterator[InfluxServer]:
    """One that nobody has set up."""
    program = influx_server.program()
    if program is None:
        pytest.skip("no influxd: build one with .ci/influxd.sh")
    server = InfluxServer(program)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="module")
def first(server: InfluxServer) -> InfluxAt:
    """A place whose token becomes the first one, with all rights."""
    return server.at("readings")


def installation(var_dir: Path, at: InfluxAt) -> Installation:
    here = Installation(
        Settings(
            var_dir=var_dir, series="influx",
            influx_url=at.url, influx_org=at.org, influx_bucket=at.bucket, influx_token=SecretStr(at.token),
        )
    )  # fmt: skip
    here.secrets()
    return here


@pytest.fixture
def here(first: InfluxAt, tmp_path: Path) -> Installation:
    here = installation(tmp_path, first)
    prepare_influx(here)
    return here


def test_the_first_time_makes_everything_and_the_second_nothing(server: InfluxServer, tmp_path: Path) -> None:
    program = influx_server.program()
    assert program is not None
    fresh = InfluxServer(program)
    try:
        fresh.start()
        here = installation(tmp_path, fresh.at("readings"))
        assert prepare_influx(here) == [
            "InfluxDB is set up with the organisation waystation and the bucket readings.",
            "The bucket readings_hourly keeps 730 days.",
            "The task 'waystation hourly' fills the bucket readings_hourly.",
            OWN,
        ]
        before = here.influx_at().token
        assert prepare_influx(here) == []
        assert here.influx_at().token == before
        fresh.kill()
        with pytest.raises(InfluxAway):
            prepare_influx(here)
        # Another one in its place knows neither token.
        fresh.empty()
        fresh.start()
        assert prepare_influx(here)[-1] == OWN
        assert here.influx_at().token != before
    finally:
        fresh.remove()


def test_the_hubs_own_token_reads_and_writes_readings(here: Installation, first: InfluxAt) -> None:
    at = here.influx_at()
    assert at.token != first.token
    with closing(Influx(at)) as influx:
        influx.write(b"climate_sensor,station=331002-0001 temp_c=21.5 %d" % time.time_ns())
        assert [row.value for row in influx.ask(COUNT, {"p_bucket": at.bucket})] == [21.5]
        assert list(influx.ask(COUNT, {"p_bucket": hourly_bucket(at)})) == []


def test_the_hubs_own_token_is_good_for_nothing_else(here: Installation, first: InfluxAt) -> None:
    at = here.influx_at()
    admin = InfluxDBClient(first.url, first.token, org=first.org)
    mine = InfluxDBClient(at.url, at.token, org=at.org)
    (org,) = admin.organizations_api().find_organizations(org=first.org)
    admin.buckets_api().create_bucket(bucket_name="another", org=first.org)

    with closing(Influx(at._replace(bucket="another"))) as other, pytest.raises(InfluxLocked):
        other.write(b"x y=1")
    with closing(Influx(at._replace(bucket=hourly_bucket(at)))) as hourly, pytest.raises(InfluxLocked):
        hourly.write(b"x y=1")
    with pytest.raises(InfluxLocked):
        make_token(at)
    with pytest.raises(ApiException, match=r"401|403"):
        mine.buckets_api().create_bucket(bucket_name="more", org=org)
    shown = {bucket.name for bucket in mine.buckets_api().find_buckets().buckets}
    assert shown == {at.bucket, hourly_bucket(at)}
    assert not mine.tasks_api().find_tasks()
    assert not mine.authorizations_api().find_authorizations()
    mine.close()
    admin.close()


def test_once_it_is_made_the_setting_may_go(here: Installation, first: InfluxAt, tmp_path: Path) -> None:
    without = installation(tmp_path, first._replace(token=""))

    assert without.influx_at() == here.influx_at()
    assert prepare_influx(without) == []


def test_a_new_setting_counts_more_than_a_token_that_another_one_made(
    here: Installation, first: InfluxAt, tmp_path: Path
) -> None:
    for changed in (
        first._replace(token="another"), first._replace(bucket="b"), first._replace(url="http://b:1")
    ):  # fmt: skip
        assert installation(tmp_path, changed).influx_at() == changed


def test_a_token_that_may_only_read_and_write_is_enough(
    here: Installation, first: InfluxAt, tmp_path: Path
) -> None:
    narrow = first._replace(token=make_token(first))
    other = installation(tmp_path / "other", narrow)

    assert serves(narrow)
    assert prepare_influx(other) == []
    assert other.influx_at() == narrow


def test_a_wrong_token_is_told_and_nothing_is_kept(
    here: Installation, first: InfluxAt, tmp_path: Path
) -> None:
    wrong = installation(tmp_path / "other", first._replace(token="wrong"))

    with pytest.raises(InfluxLocked, match="refuses the token"):
        prepare_influx(wrong)
    assert not (tmp_path / "other" / "keys" / FILE).exists()


def test_a_token_of_its_own_that_was_taken_back_is_told(
    here: Installation, first: InfluxAt, tmp_path: Path
) -> None:
    admin = InfluxDBClient(first.url, first.token, org=first.org)
    mine = here.influx_at().token
    for one in admin.authorizations_api().find_authorizations():
        if one.token == mine:
            admin.authorizations_api().delete_authorization(one)
    admin.close()

    with pytest.raises(InfluxLocked, match="does not take the hub's own token any more"):
        prepare_influx(installation(tmp_path, first._replace(token="")))
    assert prepare_influx(here) == [OWN]


def test_without_any_token_it_is_said_what_to_set(first: InfluxAt, tmp_path: Path) -> None:
    nothing = installation(tmp_path, first._replace(token=""))
    with pytest.raises(CannotStart, match=r"set WAYSTATION_INFLUX_TOKEN, for good or for one `\./waystation"):
        nothing.series()
    nothing.inflow()  # the gateway asks InfluxDB nothing


def test_the_kept_token_is_for_its_owner_only(here: Installation, tmp_path: Path) -> None:
    file = tmp_path / "keys" / FILE
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    with pytest.raises(BadSecrets, match="open to others"):
        here.influx_at()
    file.chmod(0o600)
    file.write_text("[]", encoding="ascii")
    with pytest.raises(BadSecrets, match="damaged"):
        here.influx_at()
