"""A shell into which a test types what a document tells people to type."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping

from runtime.settings import TREE
from tests.e2e.running import environment
from tests.waiting import eventually


def typed_lines(text: str, **instead: str) -> list[str]:
    """The lines that begin with `$`, after the words that stand for another have been changed."""
    for word, other in instead.items():
        text = text.replace(word, other)
    return re.findall(r"^\$ (.*)$", text, re.MULTILINE)


class Shell:
    """Bash in the folder of the project."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash"],
            cwd=TREE,
            env=environment(settings),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
            start_new_session=True,
        )

    def type(self, line: str) -> str:
        """What a line prints; one that fails is a failed test."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f'{line}\necho "--end $?"\n')
        said = ""
        while not said.endswith("\n--end 0\n") and said != "--end 0\n":
            read = self._process.stdout.readline()
            assert read, said
            assert not re.match(r"--end [1-9]", read), f"{line}\n{said}"
            said += read
        return said

    def until(self, line: str, expected: str, timeout_s: float) -> None:
        """Type a line again and again until it prints what is expected."""

        def shows() -> bool:
            said = self.type(line)
            assert expected in said, f"{line} says {said}"
            return True

        eventually(shows, timeout_s, every_s=0.4)

    def start(self, line: str) -> None:
        """Type a line that goes on until Ctrl-C."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"exec {line}\n")

    def press_ctrl_c(self, timeout_s: float = 20.0) -> int:
        """End what was started; its exit code."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGINT)
        return self._process.wait(timeout_s)

    def close(self) -> None:
        """End everything that is left."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()


@contextlib.contextmanager
def shell(settings: Mapping[str, str]) -> Iterator[Shell]:
    """A shell until the block ends."""
    opened = Shell(settings)
    try:
        yield opened
    finally:
        opened.close()
