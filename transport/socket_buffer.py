"""A socket that reads and writes many packets at once, put under paho so that few system calls are needed."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from time import perf_counter

from transport.publishes import Publish, packet_bounds, read_pubacks, read_publishes

READ_BYTES = 65_536
WRITE_LIMIT_BYTES = 4 * 1024 * 1024


class BufferedSocket:
    """Looks like a non-blocking socket to paho; used by the loop's thread only.

    Paho always stands between two packets, so that we may read and write others beside it: `send` takes a
    packet whole or not at all, and `recv` gives out one that `holds_packet` has found. Nothing comes from
    the wire but by `fill`, and nothing reaches it before `flush`.
    """

    __slots__ = (
        "_ahead", "_at", "_failure", "_hung_up", "_on_close", "_sock", "_unsent", "_until", "broken",
        "read_s", "written_s",
    )  # fmt: skip

    def __init__(self, sock: socket.socket, on_close: Callable[[int], None]) -> None:
        self._sock = sock
        self._on_close = on_close
        self._ahead = b""
        self._at = self._until = 0
        self._hung_up = False
        self._failure: OSError | None = None
        self._unsent = bytearray()
        self.broken = False
        self.read_s = self.written_s = perf_counter()
        """When something last came in, and last went out."""

    def fill(self) -> None:
        """Read once what has come in; an error, or that the peer has closed, paho then finds in `recv`."""
        if self.broken:
            return
        try:
            come = self._sock.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError as error:
            self._failure = error
            return
        self._hung_up = not come
        self.read_s = perf_counter()
        self._ahead = self._ahead[self._at :] + come
        self._at = self._until = 0

    def read_publishes(self, into: list[Publish]) -> None:
        """Take out the PUBLISH packets that stand next; raises BadMessage for one that is none."""
        self._at = read_publishes(self._ahead, self._at, into)

    def read_pubacks(self, into: list[int]) -> None:
        """Take out the PUBACK packets that stand next."""
        self._at = read_pubacks(self._ahead, self._at, into)

    def holds_packet(self) -> bool:
        """True when paho has something to read: a whole packet, or that the connection is over."""
        self._until = packet_bounds(self._ahead, self._at)[1]
        return self._until > 0 or self.broken or self._hung_up or self._failure is not None

    def recv(self, buffer_size: int) -> bytes:
        """Up to `buffer_size` bytes; b"" when the peer closed; BlockingIOError when there is nothing."""
        at = self._at
        if at < self._until:
            end = self._at = min(at + buffer_size, self._until)
            return self._ahead[at:end]
        if self.broken:
            raise ConnectionResetError("the connection was given up")
        if self._failure is not None:
            raise self._failure
        if self._hung_up:
            return b""
        raise BlockingIOError

    def is_deep(self) -> bool:
        """True when there is more to `fill` that no selector will announce: TLS reads records ahead."""
        return isinstance(self._sock, ssl.SSLSocket) and not self.broken and self._sock.pending() > 0

    def send(self, buffer: bytes | bytearray) -> int:
        """Keep one of paho's packets for the next `flush`; BlockingIOError when too much waits already."""
        if self.broken:
            raise ConnectionResetError("the connection was given up")
        if len(self._unsent) > WRITE_LIMIT_BYTES:
            raise BlockingIOError
        self._unsent += buffer
        return len(buffer)

    def append(self, packets: bytes) -> None:
        """Keep whole packets of our own for the next `flush`; never refuses, ask `is_clogged` before."""
        self._unsent += packets

    def is_clogged(self) -> bool:
        """True when the peer has not read for so long that nothing optional should be added."""
        return len(self._unsent) > WRITE_LIMIT_BYTES

    def flush(self) -> bool:
        """Write what the kernel takes; True when nothing is left. A failed write leaves `broken` set."""
        unsent = self._unsent
        if unsent:
            self.written_s = perf_counter()
        while unsent:
            try:
                sent = self._sock.send(unsent)
            except (BlockingIOError, InterruptedError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                return False
            except OSError:
                self.break_off()
                return True
            del unsent[:sent]
        return True

    def break_off(self) -> None:
        """Forget what was read and not sent; the next `recv` says that the connection is gone."""
        self.broken = True
        self._ahead = b""
        self._at = self._until = 0
        self._unsent.clear()

    def close(self) -> None:
        """Send what goes without waiting (paho's DISCONNECT is the last packet) and close."""
        if self._sock.fileno() < 0:
            return
        self.flush()
        self._on_close(self._sock.fileno())
        self._sock.close()

    def fileno(self) -> int:
        """The descriptor, -1 after `close`."""
        return self._sock.fileno()

    def setblocking(self, flag: bool) -> None:
        """As a socket's; paho asks for False."""
        self._sock.setblocking(flag)
