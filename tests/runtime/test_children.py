"""Child processes are started again when they die, and none outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime.children import Child, ChildPlan
from runtime.clock import WallClock
from runtime.settings import TREE
from tests.waiting import eventually

pytestmark = pytest.mark.integration

Start = Callable[..., Child]


class ScaledClock:
    """A clock that runs sixty times as fast, so that nobody waits for a pause."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        return time.monotonic() * 60


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Start]:
    monkeypatch.setenv("WAYSTATION_VAR_DIR", str(tmp_path))
    children: list[Child] = []

    def make(*arguments: str, never_again: tuple[tuple[int, str], ...] = ()) -> Child:
        child = Child(ChildPlan(name="part", arguments=arguments, never_again=never_again), ScaledClock())
        children.append(child)
        child.start()
        return child

    yield make
    for child in children:
        child.kill()


def test_a_child_that_ends_is_started_again(start: Start) -> None:
    child = start("station", "list")  # there is no database: it ends with 2
    first = child.pid

    def another() -> bool:
        child.look()
        return child.pid not in (None, first)

    eventually(another, 20)


def test_a_child_whose_end_was_foreseen_is_left_alone(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    child = start("station", "list", never_again=((2, "It has its reasons."),))
    assert child.wait(20)

    child.look()
    child.look()
    assert child.left_alone
    assert child.pid is None
    assert [record.message for record in caplog.records] == ["It has its reasons."]


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    code = (
        "from runtime.children import *; from runtime.clock import WallClock; import time;"
        "c = Child(ChildPlan(name='x', arguments=('courier', '--watched')), WallClock());"
        "c.start(); print(c.pid, flush=True); time.sleep(60)"
    )
    environment = {**os.environ, "WAYSTATION_VAR_DIR": str(tmp_path), "PYTHONPATH": str(TREE)}
    subprocess.run(
        [sys.executable, "-m", "runtime", "db", "init"], env=environment, check=True, capture_output=True
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    eventually((tmp_path / "log" / "courier.log").exists, 20)

    parent.kill()
    parent.wait()
    parent.stdout.close()
    eventually(lambda: not Path(f"/proc/{pid}").exists(), 20, saying="the child ends")


def test_a_stopped_child_still_ends_in_order(start: Start, tmp_path: Path) -> None:
    broker_like = start("sim", "--watched")  # ends soon or late; what matters is that it can be ended
    assert broker_like.pid is not None
    os.kill(broker_like.pid, signal.SIGSTOP)

    broker_like.end()
    assert broker_like.wait(20)


def test_the_wall_clock_serves(tmp_path: Path) -> None:
    child = Child(ChildPlan(name="never", arguments=()), WallClock())

    child.look()
    child.end()
    child.kill()
    assert child.wait(0.0)
    assert child.exit_code is None
