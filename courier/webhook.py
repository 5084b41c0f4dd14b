"""Posts each message as signed JSON to one address."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Final

import httpx2

from courier.channel import Message, NotDelivered
from domain.clock import Clock

SIGNATURE_HEADER: Final = "X-Waystation-Signature"
KEY_HEADER: Final = "X-Waystation-Notice"
TIMEOUT_S: Final = 10.0
_COME_BACK: Final = frozenset({408, 425, 429})


def signature(secret: str, unix_s: int, body: bytes) -> str:
    """`t=<unix seconds>,v1=<hex>`: HMAC-SHA256 over `t`, a dot and the body; neither can be changed."""
    digest = hmac.new(secret.encode(), f"{unix_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={unix_s},v1={digest}"


class WebhookChannel:
    """One address. Redirects are not followed: the message is meant for whoever was named."""

    def __init__(
        self,
        url: str,
        secret: str,
        clock: Clock,
        *,
        timeout_s: float = TIMEOUT_S,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._url = url
        self._secret = secret
        self._clock = clock
        self._client = httpx2.Client(timeout=timeout_s, transport=transport, follow_redirects=False)

    @property
    def name(self) -> str:
        """The word that notices name it by."""
        return "webhook"

    def send(self, message: Message) -> None:
        """Post it; any 2xx means that it has arrived."""
        body = json.dumps(message.body, ensure_ascii=False, separators=(",", ":")).encode()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Waystation",
            KEY_HEADER: message.key,
            SIGNATURE_HEADER: signature(self._secret, self._clock.now_ms() // 1000, body),
        }
        # An error's own text may hold the address, and the address often holds a secret.
        try:
            response = self._client.post(self._url, content=body, headers=headers)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise NotDelivered(f"no connection ({type(error).__name__})") from None
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol):
            raise NotDelivered("the address cannot be used", permanent=True) from None
        except httpx2.HTTPError as error:
            raise NotDelivered(f"no answer ({type(error).__name__})", maybe_arrived=True) from None
        self._judge(response)

    def close(self) -> None:
        """Close connections."""
        self._client.close()

    @staticmethod
    def _judge(response: httpx2.Response) -> None:
        status = response.status_code
        if 200 <= status < 300:
            return
        said = f"the receiver answered {status}"
        if status >= 500:
            raise NotDelivered(said, maybe_arrived=True, retry_after_s=_retry_after_s(response))
        if status in _COME_BACK:
            raise NotDelivered(said, retry_after_s=_retry_after_s(response))
        raise NotDelivered(said, permanent=True)


def _retry_after_s(response: httpx2.Response) -> float | None:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() and text.isascii() and len(text) < 6 else None
