"""A socket that reads ahead and writes whole packets, put under paho so that few system calls are needed."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

READ_BYTES = 65_536
WRITE_LIMIT_BYTES = 4 * 1024 * 1024


class BufferedSocket:
    """Looks like a non-blocking socket to paho; used by the loop's thread only.

    `send` takes a packet whole or not at all, so that paho always stands between two packets and bytes
    of our own may follow with `append`. Nothing reaches the wire before `flush`.
    """

    __slots__ = ("_ahead", "_at", "_on_close", "_sock", "_unsent", "broken")

    def __init__(self, sock: socket.socket, on_close: Callable[[int], None]) -> None:
        self._sock = sock
        self._on_close = on_close
        self._ahead = b""
        self._at = 0
        self._unsent = bytearray()
        self.broken = False

    def recv(self, buffer_size: int) -> bytes:
        """Up to `buffer_size` bytes; b"" when the peer closed; BlockingIOError when there is nothing."""
        at = self._at
        ahead = self._ahead
        if at >= len(ahead):
            if self.broken:
                raise ConnectionResetError("the connection was given up")
            ahead = self._ahead = self._sock.recv(READ_BYTES)
            at = 0
        end = self._at = at + buffer_size
        return ahead[at:end]

    def pending(self) -> int:
        """Bytes that are here already and that no selector will announce."""
        left = len(self._ahead) - self._at
        if left > 0:
            return left
        if isinstance(self._sock, ssl.SSLSocket) and not self.broken:
            return self._sock.pending()
        return 0

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
        self._at = 0
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
