"""The one thread that owns every MQTT socket of a process."""

from __future__ import annotations

import heapq
import itertools
import logging
import math
import selectors
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Protocol

from transport.dial import dial

logger = logging.getLogger(__name__)

LONGEST_SLEEP_S = 0.5
DIAL_TIMEOUT_S = 5.0
AFTER_ERROR_S = 0.5

Work = Callable[[], None]
Dialled = Callable[[socket.socket | OSError], None]


class Driven(Protocol):
    """What the loop needs to know of a connection; called in the loop's thread only."""

    def readable(self) -> None:
        """Bytes may be there."""
        ...

    def flush(self) -> None:
        """Something waits to be written, or the socket takes bytes again."""
        ...

    def give_up(self, reason: str) -> None:
        """Drop the present socket, whatever state it is in; must not raise."""
        ...


class MqttLoop:
    """Drives any number of connections with epoll; no exception of a callback ends its thread.

    Times are this machine's own monotonic seconds and never an injected clock: a simulated week must not
    time out real sockets.
    """

    def __init__(self, name: str = "mqtt", *, dial_threads: int = 4) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self._selector.register(self._wake_reader, selectors.EVENT_READ, None)
        self._woken = False
        self._handed_over: deque[Work] = deque()
        self._unread: set[Driven] = set()
        self._unwritten: set[Driven] = set()
        self._timers: list[tuple[float, int, Work]] = []
        self._passenger: Callable[[], float] | None = None
        self._passenger_due_s = 0.0
        self._order = itertools.count()
        self._stopping = False
        self.ended = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._dialling = ThreadPoolExecutor(dial_threads, thread_name_prefix=f"{name}-dial")
        self.last_turn_monotonic_s = perf_counter()
        self.failures = 0

    def start(self) -> None:
        """Start the thread; once."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Do what was handed over, close every socket, end the thread."""
        self._stopping = True
        if self._thread.is_alive():
            self.wake()
            self._thread.join(timeout_s)
        elif not self.ended:
            self._shut()
        self._dialling.shutdown(wait=False, cancel_futures=True)

    @property
    def thread_alive(self) -> bool:
        """False when nothing is sent or received any more."""
        return self._thread.is_alive()

    @property
    def last_turn_age_s(self) -> float:
        """Seconds since the thread last went round; above 2 it is stuck."""
        return perf_counter() - self.last_turn_monotonic_s

    def in_thread(self) -> bool:
        """True when the caller is the loop's own thread."""
        return threading.get_ident() == self._thread.ident

    def carry(self, passenger: Callable[[], float] | None) -> None:
        """Call `passenger` once each time round, after what came in and before what goes out; it says within
        how many seconds it wants to be called again. Who has news for it from another thread wakes the loop.
        """
        self._passenger = passenger
        self.wake()

    def hand_over(self, work: Work) -> None:
        """Have `work` done in the loop's thread soon, in the order of handing over; from any thread."""
        self._handed_over.append(work)
        if not self._woken:
            self.wake()

    def do(self, work: Work) -> None:
        """Now when called in the loop's thread, else hand it over."""
        if threading.get_ident() == self._thread.ident:
            work()
        else:
            self.hand_over(work)

    def wake(self) -> None:
        """Make the thread go round once; from any thread."""
        self._woken = True
        try:
            self._wake_writer.send(b"\0")
        except (BlockingIOError, OSError):
            pass  # full: it is awake; closed: it has ended

    # What follows is for connections, in the loop's thread.

    def call_later(self, wait_s: float, work: Work) -> None:
        """Have `work` done once, `wait_s` seconds from now."""
        heapq.heappush(self._timers, (perf_counter() + wait_s, next(self._order), work))

    def dial(
        self,
        host: str,
        port: int,
        tls: ssl.SSLContext | None,
        then: Dialled,
        may_dial: Callable[[], bool] | None = None,
    ) -> None:
        """Connect in a thread of its own, since names and handshakes block, and bring back the socket."""

        def attempt() -> None:
            outcome: socket.socket | OSError
            try:
                if may_dial is not None and not may_dial():
                    raise OSError("this process may not connect now")
                outcome = dial(host, port, tls, DIAL_TIMEOUT_S)
            except OSError as error:
                outcome = error
            except Exception as error:  # a host name that cannot be encoded, a context that cannot be used
                outcome = OSError(f"cannot dial: {error}")
            if self.ended and isinstance(outcome, socket.socket):
                outcome.close()
                return
            self.hand_over(lambda: then(outcome))

        self._dialling.submit(attempt)

    def watch(self, fd: int, connection: Driven) -> None:
        """Call `connection.readable` when bytes come in."""
        self._selector.register(fd, selectors.EVENT_READ, connection)

    def watch_writing(self, fd: int, wanted: bool) -> None:
        """Call `connection.flush` when the socket takes bytes again."""
        key = self._selector.get_key(fd)
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if wanted else 0)
        if key.events != events:
            self._selector.modify(fd, events, key.data)

    def forget(self, fd: int) -> None:
        """Stop watching; called just before the descriptor is closed."""
        try:
            self._selector.unregister(fd)
        except KeyError:
            pass

    def has_unread(self, connection: Driven) -> None:
        """Come back to this connection although its socket may stay silent."""
        self._unread.add(connection)

    def has_unwritten(self, connection: Driven) -> None:
        """Flush this connection before sleeping again."""
        self._unwritten.add(connection)

    def _run(self) -> None:
        try:
            while not self._stopping:
                try:
                    self._turn()
                except Exception:
                    self.failures += 1
                    logger.exception(
                        "The MQTT loop met an error and goes on.", extra={"action": "mqtt_loop_error"}
                    )
            self._do_handed_over()
            self._flush_all()
        finally:
            self._shut()

    def _turn(self) -> None:
        self.last_turn_monotonic_s = perf_counter()
        ready = self._selector.select(self._sleep_s())
        unread = self._unread
        if unread:
            self._unread = set()
        for key, events in ready:
            connection: Driven | None = key.data
            if connection is None:
                self._drain_wake()
                continue
            if events & selectors.EVENT_WRITE:
                self._unwritten.add(connection)
            if events & selectors.EVENT_READ:
                unread.discard(connection)
                self._guard(connection, connection.readable)
        for connection in unread:
            self._guard(connection, connection.readable)
        self._do_handed_over()
        self._run_timers()
        self._guard(None, self._call_passenger)
        self._flush_all()

    def _call_passenger(self) -> None:
        passenger = self._passenger
        if passenger is not None:
            self._passenger_due_s = perf_counter() + AFTER_ERROR_S
            self._passenger_due_s = perf_counter() + passenger()

    def _sleep_s(self) -> float:
        if self._unread or self._unwritten or self._handed_over or self._stopping:
            return 0.0
        until_s = self._timers[0][0] if self._timers else math.inf
        if self._passenger is not None:
            until_s = min(until_s, self._passenger_due_s)
        return min(LONGEST_SLEEP_S, max(0.0, until_s - perf_counter()))

    def _drain_wake(self) -> None:
        try:
            self._wake_reader.recv(4096)
        except BlockingIOError:
            pass
        # Before the work is looked at: what is handed over after this wakes again.
        self._woken = False

    def _do_handed_over(self) -> None:
        handed_over = self._handed_over
        for _ in range(len(handed_over)):
            self._guard(None, handed_over.popleft())

    def _run_timers(self) -> None:
        timers = self._timers
        now_s = perf_counter()
        while timers and timers[0][0] <= now_s:
            self._guard(None, heapq.heappop(timers)[2])

    def _flush_all(self) -> None:
        if not self._unwritten:
            return
        unwritten, self._unwritten = self._unwritten, set()
        for connection in unwritten:
            self._guard(connection, connection.flush)

    def _guard(self, connection: Driven | None, work: Work) -> None:
        try:
            work()
        except Exception:
            self.failures += 1
            logger.exception(
                "Work in the MQTT loop failed; the loop goes on.", extra={"action": "mqtt_work_failed"}
            )
            if connection is not None:
                connection.give_up("an error while it was served")

    def _shut(self) -> None:
        self.ended = True
        for key in list(self._selector.get_map().values()):
            if key.data is not None:
                self._guard(None, lambda connection=key.data: connection.give_up("the loop ends"))  # type: ignore[misc]
        while self._handed_over:  # a socket dialled too late is closed by its connection
            self._guard(None, self._handed_over.popleft())
        self._selector.close()
        self._wake_reader.close()
        self._wake_writer.close()
