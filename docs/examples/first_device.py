"""A people counter that speaks docs/contract.md with sockets and JSON alone, as on a small board."""

import json
import os
import select
import socket
import sys
import time

HOST, PORT, STATION, PASSWORD = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
BRANCH = f"ws/{STATION[:6]}/{STATION}"
LINK, REPORT = f"{BRANCH}/quick/station/0/link", f"{BRANCH}/bulk/occupancy_sensor/1/telemetry"
BOOT = os.urandom(4).hex()  # a new word at each start
PUBLISH_QOS_1, CONNECT, SUBSCRIBE = 0x32, 0x10, 0x82
EVERY_S = float(sys.argv[5]) if len(sys.argv) > 5 else 10.0
seq = 0


def text(value: str) -> bytes:
    return len(value.encode()).to_bytes(2, "big") + value.encode()


def send(sock: socket.socket, kind: int, body: bytes) -> None:
    size, length = len(body), b""
    while size > 127:
        size, length = size >> 7, length + bytes([size & 127 | 128])
    sock.sendall(bytes([kind]) + length + bytes([size]) + body)


def publish(sock: socket.socket, topic: str, **content: object) -> None:
    body = {"v": 1, "ts": None, "boot": BOOT, **content}  # no clock here, so ts is null
    mid = (seq % 65535 + 1).to_bytes(2, "big")
    send(sock, PUBLISH_QOS_1, text(topic) + mid + json.dumps(body).encode())


def take(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise OSError("the connection is over")
        data += more
    return data


def receive(sock: socket.socket, wait_s: float) -> tuple[int, bytes]:
    """Kind and body of the next packet; (0, nothing) when none comes in time."""
    if not select.select([sock], [], [], wait_s)[0]:
        return 0, b""
    kind, size, shift, byte = take(sock, 1)[0] >> 4, 0, 0, 128
    while byte & 128:
        byte = take(sock, 1)[0]
        size, shift = size | (byte & 127) << shift, shift + 7
    return kind, take(sock, size)


def connect(conn: int) -> socket.socket:
    sock = socket.create_connection((HOST, PORT), 10)
    will = json.dumps({"v": 1, "online": False, "boot": BOOT, "conn": conn})
    flags = bytes([4, 0xCE, 0, 60])  # MQTT 3.1.1; user, password, will at QoS 1, clean session; 60 s
    said = text("MQTT") + flags + text("counter-" + BOOT) + text(LINK) + text(will)
    send(sock, CONNECT, said + text("station") + text(PASSWORD))
    if receive(sock, 10)[1][1:] != b"\x00":
        raise OSError("the broker does not take this credential")
    send(sock, SUBSCRIBE, b"\x00\x01" + text(f"{BRANCH}/down/+/+/+") + b"\x00")
    return sock


def speak(sock: socket.socket, conn: int) -> None:
    global seq
    link_s = report_s = time.monotonic()
    again_s, echoed = 2.0, False
    while True:
        now_s = time.monotonic()
        if not echoed and now_s >= link_s:  # say it again until an ack echoes this conn
            publish(sock, LINK, online=True, conn=conn, dropped=0)
            link_s, again_s = now_s + again_s, min(60.0, 2 * again_s)
        if now_s >= report_s:  # a whole report each time; a real counter also reports each change at once
            seq, report_s = seq + 1, now_s + EVERY_S
            publish(sock, REPORT, seq=seq, count_raw=3, presence=True)
        kind, body = receive(sock, 0.5)
        if kind == 3 and b"/ack{" in body:
            ack = json.loads(body[body.index(b"{") :])
            echoed = echoed or (ack["boot"], ack["conn"]) == (BOOT, conn)


conn = 0
while True:
    conn += 1  # also when nobody answers
    try:
        speak(connect(conn), conn)
    except OSError as error:
        print(f"connection {conn}: {error}; again in 2 s")
        time.sleep(2)
