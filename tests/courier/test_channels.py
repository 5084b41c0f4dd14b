"""Channels: one body of tests for what each must do, and what the webhook says on the wire."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest

from courier.channel import Channel, Message, NotDelivered, RecordingChannel
from courier.webhook import WebhookChannel
from tests.courier.conftest import START_MS, StepClock

SECRET = "a secret of the tests"


class Receiver:
    """A real HTTP server that keeps what it was sent."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.headers.append({name.lower(): value for name, value in self.headers.items()})
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


class Made:
    """A channel, how to make it fail for good, and what arrived."""

    def __init__(
        self, channel: Channel, break_it: Callable[[], None], bodies: Callable[[], list[Any]]
    ) -> None:
        self.channel, self.break_it, self.bodies = channel, break_it, bodies


@pytest.fixture(params=["recording", "webhook"])
def made(request: pytest.FixtureRequest, receiver: Receiver, clock: StepClock) -> Iterator[Made]:
    if request.param == "recording":
        recording = RecordingChannel()

        def break_recording() -> None:
            recording.broken = NotDelivered("the receiver answered 410", permanent=True)

        yield Made(recording, break_recording, lambda: [message.body for message in recording.messages])
        return
    webhook = WebhookChannel(receiver.url, SECRET, clock)

    def break_receiver() -> None:
        receiver.bodies = []
        receiver.status = 410

    def accepted() -> list[Any]:
        return [json.loads(body) for body in receiver.bodies] if receiver.status == 200 else []

    yield Made(webhook, break_receiver, accepted)
    webhook.close()


def test_what_is_sent_arrives_as_it_is(made: Made) -> None:
    made.channel.send(Message("x:opened", {"text_zh": "七号仓 “过热”", "n": 7}))
    assert made.bodies() == [{"text_zh": "七号仓 “过热”", "n": 7}]
    assert made.channel.name == "webhook"


def test_a_receiver_that_is_gone_is_a_permanent_failure(made: Made) -> None:
    made.break_it()
    with pytest.raises(NotDelivered, match="410") as caught:
        made.channel.send(Message("x:opened", {}))
    assert caught.value.permanent
    assert made.bodies() == []


def test_the_receiver_can_check_who_sent_it_and_when(receiver: Receiver, clock: StepClock) -> None:
    channel = WebhookChannel(receiver.url, SECRET, clock)
    channel.send(Message("x:opened", {"text_zh": "烟"}))
    channel.close()
    (body,), (headers,) = receiver.bodies, receiver.headers
    parts = dict(part.split("=", 1) for part in headers["x-waystation-signature"].split(","))
    assert int(parts["t"]) == START_MS // 1000
    wanted = hmac.new(SECRET.encode(), parts["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(parts["v1"], wanted)
    assert headers["x-waystation-notice"] == "x:opened"
    assert headers["content-type"].startswith("application/json")


@pytest.mark.parametrize(
    "status, permanent, maybe_arrived",
    [
        (301, True, False),
        (400, True, False),
        (401, True, False),
        (404, True, False),
        (408, False, False),
        (429, False, False),
        (500, False, True),
        (503, False, True),
    ],
)
def test_an_answer_tells_whether_to_try_again(
    clock: StepClock, status: int, permanent: bool, maybe_arrived: bool
) -> None:
    answer = httpx2.Response(status, headers={"Retry-After": "7", "Location": "http://elsewhere.example"})
    channel = WebhookChannel(
        "http://x.example", SECRET, clock, transport=httpx2.MockTransport(lambda _: answer)
    )
    with pytest.raises(NotDelivered, match=str(status)) as caught:
        channel.send(Message("x:opened", {}))
    channel.close()
    assert (caught.value.permanent, caught.value.maybe_arrived) == (permanent, maybe_arrived)
    assert caught.value.retry_after_s == (None if permanent else 7.0)


@pytest.mark.parametrize(
    "error, maybe_arrived",
    [(httpx2.ConnectError("http://user:key@x"), False), (httpx2.ReadTimeout("http://user:key@x"), True)],
)
def test_a_broken_connection_may_work_later_and_shows_no_address(
    clock: StepClock, error: Exception, maybe_arrived: bool
) -> None:
    def fail(_: httpx2.Request) -> httpx2.Response:
        raise error

    channel = WebhookChannel("http://x.example", SECRET, clock, transport=httpx2.MockTransport(fail))
    with pytest.raises(NotDelivered) as caught:
        channel.send(Message("x:opened", {}))
    channel.close()
    assert not caught.value.permanent
    assert caught.value.maybe_arrived == maybe_arrived
    assert "key" not in str(caught.value)
