"""How `./waystation sim fault …` reaches the running simulator: a private socket, one JSON line each way."""

from __future__ import annotations

import json
import logging
import os
import socket
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from device_sim.behaviour import Arguments
from device_sim.fault_kind import UnknownFault
from domain.errors import Conflict, NotFound, WaystationError

logger = logging.getLogger(__name__)

SOCKET_NAME = "sim.sock"
POINTER_NAME = "sim.sock.path"
LONGEST_PATH = 100
"""Socket addresses hold 107 bytes on Linux and 103 on macOS."""
LONGEST_REQUEST = 64 * 1024
LONGEST_ANSWER = 16 * 1024 * 1024
ANSWER_S = 5.0


class SimNotRunning(NotFound):
    """No simulator is running here; start one with `./waystation up` or `./waystation sim`."""


class Played(Protocol):
    """What is asked of: the stations of this process, or processes that share them."""

    def inject(
        self, station: str, device: str | None, fault: str, args: Arguments | None = None
    ) -> dict[str, float | None]: ...
    def heal(self, station: str, device: str | None = None, fault: str | None = None) -> list[str]: ...
    def status(self) -> list[dict[str, Any]]: ...
    def known_faults(self) -> dict[str, dict[str, Any]]: ...
    def totals(self) -> dict[str, int]: ...
    def numbers(self) -> dict[str, dict[str, Any]]: ...


class Control:
    """Answers in a thread of its own. Requests are objects with `do`:

    `fault` and `heal` with station, device (`door_lock/1` or null), fault, args; `status`; `totals`;
    `numbers`; `faults`.
    Answers are `{"ok": true, "result": …}` or `{"ok": false, "error": "…"}`.
    """

    def __init__(self, played: Played, var_dir: Path) -> None:
        self._fleet = played
        self._var_dir = var_dir
        self._private_dir: Path | None = None
        self._path = var_dir / SOCKET_NAME
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, name="sim-control", daemon=True)

    def start(self) -> None:
        """Listen; Conflict when another simulator answers there already."""
        self._var_dir.mkdir(parents=True, exist_ok=True)
        try:
            ask(self._var_dir, {"do": "status"})
        except SimNotRunning:
            pass
        else:
            raise Conflict(f"Another simulator is running already with {self._var_dir}.")
        if len(os.fsencode(self._path.absolute())) > LONGEST_PATH:
            self._private_dir = Path(tempfile.mkdtemp(prefix="waystation-"))
            self._path = self._private_dir / SOCKET_NAME
            (self._var_dir / POINTER_NAME).write_text(str(self._path), encoding="utf-8")
        else:
            (self._var_dir / POINTER_NAME).unlink(missing_ok=True)
        self._path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            listening.bind(str(self._path))
        finally:
            os.umask(before)
        self._path.chmod(0o600)
        listening.listen(8)
        self._socket = listening
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and take the socket away."""
        listening, self._socket = self._socket, None
        if listening is None:
            return
        try:
            listening.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # macOS says that it is not connected; closing is enough there
        listening.close()
        self._thread.join(ANSWER_S)
        self._path.unlink(missing_ok=True)
        if self._private_dir is not None:
            self._private_dir.rmdir()
            (self._var_dir / POINTER_NAME).unlink(missing_ok=True)

    def _serve(self) -> None:
        while (listening := self._socket) is not None:
            try:
                caller, _ = listening.accept()
            except OSError:
                return
            with caller:
                try:
                    caller.settimeout(ANSWER_S)
                    answer = self._answer(_read_line(caller, LONGEST_REQUEST))
                    caller.sendall(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
                except OSError as error:
                    logger.info("A caller hung up: %s.", error, extra={"action": "sim_control_lost"})

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            return {"ok": True, "result": self._do(json.loads(line))}
        except WaystationError as error:
            return {"ok": False, "error": str(error)}
        except (ValueError, TypeError, RecursionError) as error:
            return {"ok": False, "error": f"The request cannot be understood: {error}"}
        except Exception as error:
            logger.exception("A request to the simulator failed.", extra={"action": "sim_control_failed"})
            return {"ok": False, "error": f"The simulator failed: {error}"}

    def _do(self, request: Any) -> Any:
        if type(request) is not dict:
            raise TypeError("it is not an object")
        what = request.get("do")
        if what == "status":
            return self._fleet.status()
        if what == "totals":
            return self._fleet.totals()
        if what == "numbers":
            return self._fleet.numbers()
        if what == "faults":
            return self._fleet.known_faults()
        station, device, fault = request.get("station"), request.get("device"), request.get("fault")
        if not isinstance(station, str) or not isinstance(device, (str, type(None))):
            raise TypeError("station must be a text, device a text or null")
        if what == "fault":
            args = request.get("args") or {}
            if not isinstance(fault, str) or type(args) is not dict:
                raise TypeError("fault must be a text and args an object")
            return self._fleet.inject(station, device, fault, args)
        if what == "heal":
            if not isinstance(fault, (str, type(None))):
                raise TypeError("fault must be a text or null")
            return self._fleet.heal(station, device, fault)
        raise UnknownFault(f"{what!r} is not one of fault, heal, status, totals, numbers, faults.")


def ask(var_dir: Path, request: Mapping[str, Any]) -> Any:
    """Ask the running simulator and return its result.

    SimNotRunning when there is none; UnknownFault with its sentence when it refuses.
    """
    pointer = var_dir / POINTER_NAME
    try:
        path = pointer.read_text(encoding="utf-8")
    except FileNotFoundError:
        path = str((var_dir / SOCKET_NAME).absolute())
        if len(os.fsencode(path)) > LONGEST_PATH:
            raise SimNotRunning from None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.settimeout(ANSWER_S)
        try:
            caller.connect(path)
        except OSError as error:
            raise SimNotRunning from error
        caller.sendall(json.dumps(dict(request)).encode() + b"\n")
        line = _read_line(caller, LONGEST_ANSWER)
    if not line:
        raise SimNotRunning("The simulator ended before it answered.")
    answer = json.loads(line)
    if not answer["ok"]:
        raise UnknownFault(answer["error"])
    return answer["result"]


def _read_line(caller: socket.socket, longest: int) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        more = caller.recv(65_536)
        if not more:
            break
        line += more
        if len(line) > longest:
            raise OSError("the line is too long")
    return line
