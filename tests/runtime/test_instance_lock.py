"""One running hub for each folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runtime.installation import CannotStart
from runtime.instance_lock import InstanceLock


def test_a_second_one_is_refused_and_told_who_is_first(tmp_path: Path) -> None:
    first = InstanceLock(tmp_path)
    first.take()

    with pytest.raises(CannotStart) as caught:
        InstanceLock(tmp_path).take()
    assert f"runs already with {tmp_path} (process {os.getpid()})" in str(caught.value)

    first.release()
    second = InstanceLock(tmp_path)
    second.take()
    second.release()
