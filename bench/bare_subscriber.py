"""The comparison: paho as it comes, which acknowledges and does nothing else."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion


def main(port: int, client_id: str, password: str, filters: list[str], expected: int, warm: int) -> None:
    """Drain `expected` messages and print what they cost after the first `warm`; with 0, only subscribe."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id, clean_session=False, manual_ack=True)
    client.username_pw_set("gateway", password)
    seen = 0
    began_s = began_cpu_s = 0.0

    def on_message(client: mqtt.Client, _: Any, message: mqtt.MQTTMessage) -> None:
        nonlocal seen, began_s, began_cpu_s
        if seen == warm:
            began_s, began_cpu_s = time.perf_counter(), time.process_time()
        client.ack(message.mid, 1)
        seen += 1
        if seen == expected:
            cpu_s, wall_s = time.process_time() - began_cpu_s, time.perf_counter() - began_s
            print(json.dumps({"messages": seen - warm, "cpu_s": cpu_s, "wall_s": wall_s}), flush=True)
            client.disconnect()

    def on_connect(client: mqtt.Client, *_: Any) -> None:
        client.subscribe([(one, 1) for one in filters])

    def on_subscribe(client: mqtt.Client, *_: Any) -> None:
        if not expected:
            client.disconnect()

    client.on_message, client.on_connect, client.on_subscribe = on_message, on_connect, on_subscribe
    client.connect("127.0.0.1", port)
    client.loop_forever()


if __name__ == "__main__":
    main(
        int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4].split(","), int(sys.argv[5]), int(sys.argv[6])
    )
