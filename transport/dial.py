"""Opening a connection to the broker: name, TCP and TLS, all of which may block."""

from __future__ import annotations

import errno
import socket
import ssl


def dial(host: str, port: int, tls: ssl.SSLContext | None, timeout_s: float) -> socket.socket:
    """A connected socket, TLS handshake done; OSError (ssl.SSLError is one) when the broker is not there."""
    sock = socket.create_connection((host, port), timeout=timeout_s)
    try:
        # Without this a QoS 1 exchange waits 40 ms for the peer's delayed acknowledgement.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if sock.getsockname() == sock.getpeername():
            # On loopback the kernel may choose the very port that nobody listens on yet.
            raise ConnectionRefusedError(errno.ECONNREFUSED, "nobody listens there, only we did")
        return sock if tls is None else tls.wrap_socket(sock, server_hostname=host)
    except BaseException:
        sock.close()
        raise
