"""What every test gets: a clean environment, seeds that can be repeated, and databases of its own."""

from __future__ import annotations

import gc
import os
import shutil
import uuid
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests import postgresql, skipping

if TYPE_CHECKING:
    from storage.influx import InfluxAt

# A developer's shell must not change results; WAYSTATION_TEST_ names belong to the suite itself.
for name in [name for name in os.environ if name.upper().startswith("WAYSTATION_")]:
    if not name.upper().startswith("WAYSTATION_TEST_"):
        del os.environ[name]

hypothesis.settings.register_profile("quick", max_examples=20, deadline=None, print_blob=True)
hypothesis.settings.register_profile("dev", max_examples=50, deadline=None, print_blob=True)
hypothesis.settings.register_profile("ci", max_examples=300, deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("WAYSTATION_TEST_HYPOTHESIS", "dev"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    skipping.refuse(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    skipping.refuse(report)
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that may take long come first: at the end, no worker is left alone with one of them.

    What only computes comes last. Within that the order stays as it was drawn.
    """
    allowed_s: Counter[Path] = Counter()
    waits = set()
    for item in items:
        own = item.get_closest_marker("timeout")
        allowed_s[item.path] += own.args[0] if own else 0
        if any(item.get_closest_marker(name) for name in ("integration", "chaos", "browser")):
            waits.add(item.path)
    items.sort(key=lambda item: (item.path not in waits, -allowed_s[item.path]))


def pytest_collection_finish() -> None:
    # What is imported and collected stays until the end: looking for garbage in it takes a tenth of the time.
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio, as the servers do."""
    return "asyncio"


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[postgresql.PostgresqlServer]:
    """One PostgreSQL server for all tests of this process, started when first asked for."""
    with postgresql.found(postgresql.programs()) as server:
        if isinstance(server, str):
            pytest.skip(server)
        yield server


@pytest.fixture(scope="session")
def _influx_server() -> Iterator[InfluxAt]:
    from tests import influx

    with influx.running() as found:
        if isinstance(found, str):
            pytest.skip(found)
        yield found


@pytest.fixture
def influx_at(_influx_server: InfluxAt) -> Iterator[InfluxAt]:
    """A new bucket in an InfluxDB that all tests of this process share; mark the test as integration."""
    from storage.influx import Influx

    shared = Influx(_influx_server, read_s=30)
    buckets = shared.client.buckets_api()
    bucket = buckets.create_bucket(bucket_name=f"t_{uuid.uuid4().hex}", org=_influx_server.org)
    yield _influx_server._replace(bucket=bucket.name)
    buckets.delete_bucket(bucket)
    shared.close()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The address of a new, empty SQLite database."""
    return f"sqlite:///{tmp_path / 'hub.sqlite3'}"


@pytest.fixture
def postgresql_url(postgresql_server: postgresql.PostgresqlServer) -> Iterator[str]:
    """The address of a new, empty PostgreSQL database; mark the test as integration."""
    with postgresql_server.database() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)])
def database_url(request: pytest.FixtureRequest) -> str:
    """The address of a new, empty database; the same test runs on SQLite and on PostgreSQL."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables, to be copied: making them takes longer than most tests."""
    from storage import migrate  # the pure packages' tests must not need it

    path = tmp_path_factory.mktemp("migrated") / "hub.sqlite3"
    migrate.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def migrated_sqlite_url(migrated_file: Path, sqlite_url: str) -> str:
    """The address of a SQLite database with all tables, copied from one that was migrated once."""
    shutil.copy(migrated_file, sqlite_url.removeprefix("sqlite:///"))
    return sqlite_url


@pytest.fixture(scope="session")
def _migrated_database(postgresql_server: postgresql.PostgresqlServer) -> Iterator[str]:
    from storage import migrate

    # A server that somebody named is shared with other processes, and stays.
    with postgresql_server.database() as url:
        migrate.upgrade(url)
        yield postgresql_server.name_in(url)


@pytest.fixture
def migrated_postgresql_url(
    postgresql_server: postgresql.PostgresqlServer, _migrated_database: str
) -> Iterator[str]:
    """The address of a PostgreSQL database with all tables; mark the test as integration."""
    with postgresql_server.database(template=_migrated_database) as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)])
def migrated_url(request: pytest.FixtureRequest) -> str:
    """The address of a database with all tables and no rows; on SQLite and on PostgreSQL."""
    return str(request.getfixturevalue(f"migrated_{request.param}_url"))
