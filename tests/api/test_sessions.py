"""Browsers: one-time links, cookies that cannot be forged, and pages of others that can do nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.testclient import TestClient

from api.caller import COOKIE
from api.options import ApiOptions
from api.sessions import AUDIENCE, TYPE, SessionKeys
from signing.keys import KeyRing, SigningKey
from storage import audit, tokens
from storage.database import Database
from tests.api.conftest import DOOR, World

KEY = SigningKey(bytes(range(32)))
KEYS = SessionKeys(KeyRing(KEY))


def browser(world: World) -> TestClient:
    return TestClient(world.app, follow_redirects=False, client=("127.0.0.1", 1))


def sign_in(world: World, *scopes: str, area: str = "") -> TestClient:
    client = browser(world)
    assert world.press(client, world.link_for(world.token(*scopes, area=area))).status_code == 303
    return client


def test_a_link_signs_in_once_and_is_written_down(world: World) -> None:
    link = world.link_for(world.token("door:open"))
    answer = world.press(browser(world), link, "/d/abc")
    assert (answer.status_code, answer.headers["location"]) == (303, "/d/abc")
    cookie = answer.headers["set-cookie"].lower()
    for word in (COOKIE, "httponly", "samesite=strict", "path=/"):
        assert word in cookie
    again = world.press(browser(world), link)
    assert again.status_code == 403
    assert "登录链接已失效" in again.text
    assert "set-cookie" not in again.headers
    with world.db.read() as conn:
        assert [row.result for row in audit.newest(conn, action="sign_in")] == ["refused", "ok"]


def test_looking_at_a_link_uses_nothing_up(world: World) -> None:
    link = world.link_for(world.token("door:open"))
    for _ in range(20):
        page = browser(world).get(link)
        assert page.status_code == 200
        assert "在这里登录" in page.text
        assert COOKIE not in page.cookies
        assert "<script" not in page.text
    with world.db.read() as conn:
        assert audit.newest(conn, action="sign_in") == []
    assert world.press(browser(world), link).status_code == 303


def test_a_page_of_somebody_else_cannot_sign_anybody_in(world: World) -> None:
    link = world.link_for(world.token("door:open"))
    secret = link.split("=")[1]
    stranger = browser(world)
    for fields in ({"t": secret}, {"t": secret, "word": "guess"}, {"t": secret, "word": ""}):
        assert stranger.post("/sign-in", data=fields).json()["code"] == "form_stale"
    stranger.get(link)
    assert stranger.post("/sign-in", data={"t": secret, "word": "guess"}).status_code == 403
    assert world.press(stranger, link).status_code == 303, "it was not used up"


def test_two_links_side_by_side_both_work(world: World) -> None:
    client = browser(world)
    one, other = (world.link_for(world.token("door:open")) for _ in range(2))
    page = client.get(one)
    client.get(other)
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page.text))
    assert client.post("/sign-in", data=fields).status_code == 303


def test_a_link_without_its_secret_is_over(world: World) -> None:
    for path in ("/sign-in", "/sign-in?t="):
        answer = browser(world).get(path)
        assert (answer.status_code, "登录链接已失效" in answer.text) == (403, True)


def test_with_https_the_cookie_belongs_to_this_host_alone(db: Database) -> None:
    world = World(db, ApiOptions(base_url="https://hub.example.org"))
    world.build()
    client = TestClient(world.app, "https://testserver", follow_redirects=False, client=("127.0.0.1", 1))
    cookie = world.press(client, world.link_for(world.token("door:open"))).headers["set-cookie"]
    assert cookie.startswith(f"__Host-{COOKIE}=")
    assert "Secure" in cookie
    assert "strict-transport-security" in browser(world).get("/").headers


@pytest.mark.parametrize(
    "away", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:x", "", "/\r\nx: y"]
)
def test_a_link_leads_nowhere_else(world: World, away: str) -> None:
    client = browser(world)
    link = world.link_for(world.token("door:open"))
    word = re.findall(r'name="word" value="([^"]+)"', client.get(link).text)[0]
    answer = client.post("/sign-in", data={"t": link.split("=")[1], "next": away, "word": word})
    assert answer.headers["location"] == "/"
    assert 'name="next" value="/"' in client.get(link, params={"t": "x", "next": away}).text


def test_guessing_links_is_slowed_down(world: World) -> None:
    client = browser(world)
    statuses = [world.press(client, "/sign-in?t=guess").status_code for _ in range(12)]
    assert statuses == [403] * 10 + [429] * 2
    world.clock.ahead_s += 60
    assert world.press(client, "/sign-in?t=guess").status_code == 403


def test_a_session_ends_with_its_token(world: World) -> None:
    client = sign_in(world, "alerts:read")
    assert client.get("/api/v1/alerts").status_code == 200
    with world.db.write() as conn:
        (token,) = tokens.all_tokens(conn)
        tokens.revoke(conn, token.id, world.clock.now_ms())
    assert client.get("/api/v1/alerts").status_code == 401
    assert client.get("/api/v1/stations").status_code == 200, "the public part stays"


def test_a_session_ends_after_half_a_day_and_when_signed_out(world: World) -> None:
    client = sign_in(world, "alerts:read")
    world.clock.ahead_s = 12 * 3600 + 1
    assert client.get("/api/v1/alerts").status_code == 401
    client = sign_in(world, "alerts:read")
    assert client.post("/sign-out").status_code == 403
    assert client.post("/sign-out", headers={"X-Waystation": "1"}).status_code == 204
    assert client.get("/api/v1/alerts").status_code == 401


def test_a_page_of_somebody_else_cannot_open_a_door(world: World) -> None:
    client = sign_in(world, "door:open")
    path = f"/api/v1/doors/{DOOR}/unlock"
    assert client.post(path).json()["code"] == "header_missing"
    assert client.post(path, headers={"X-Waystation": "1"}).status_code == 202
    assert client.post(f"/d/{DOOR}", data={"key": "a-key-of-a-page"}).json()["code"] == "form_stale"
    assert client.post(f"/d/{DOOR}", data={"key": "a-key-of-a-page", "csrf": "guess"}).status_code == 403


def test_the_door_page_works_as_a_form(world: World) -> None:
    client = sign_in(world, "door:open")
    page = client.get(f"/d/{DOOR}").text
    fields = dict(re.findall(r'name="(csrf|key)" value="([^"]+)"', page))
    world.link("offline")
    answer = client.post(f"/d/{DOOR}", data=fields)
    assert answer.status_code == 200
    assert "门锁暂时联系不上" in answer.text
    assert "开门要先登录" in browser(world).post(f"/d/{DOOR}", data={"key": "a-key-of-a-page"}).text


def forged(**changes: Any) -> str:
    now_s = int(time.time())
    claims: dict[str, Any] = {"sub": "t", "aud": AUDIENCE, "iat": now_s, "exp": now_s + 60, "csrf": "c"}
    header = {"typ": changes.pop("typ", TYPE), "kid": changes.pop("kid", KEY.kid.hex())}
    key = changes.pop("key", Ed25519PrivateKey.from_private_bytes(KEY.seed))
    algorithm = changes.pop("algorithm", "EdDSA")
    claims.update(changes)
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, algorithm=algorithm, headers=header)


FORGERIES: dict[str, Callable[[], str]] = {
    "no signature": lambda: forged(key=None, algorithm="none"),
    "symmetric": lambda: forged(key="x" * 64, algorithm="HS256"),
    "another key": lambda: forged(key=Ed25519PrivateKey.generate()),
    "an unknown kid": lambda: forged(kid="0011223344556677"),
    "another audience": lambda: forged(aud="elsewhere"),
    "no audience": lambda: forged(aud=None),
    "another type": lambda: forged(typ="JWT"),
    "no end": lambda: forged(exp=None),
    "an end in 31 years": lambda: forged(exp=int(time.time()) + 31 * 365 * 86400),
    "an end that is past": lambda: forged(exp=int(time.time()) - 1),
    "from the future": lambda: forged(iat=int(time.time()) + 3600, exp=int(time.time()) + 7200),
    "times as text": lambda: forged(iat=str(int(time.time())), exp=int(time.time()) + 60),
    "tampered": lambda: forged()[:-4] + "AAAA",
    "garbage": lambda: "a.b.c",
    "huge": lambda: "a" * 5000,
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_session_is_nobody(name: str) -> None:
    assert KEYS.read(FORGERIES[name](), int(time.time())) is None


def test_a_session_of_ours_is_read_also_after_the_key_was_rotated() -> None:
    now_s = int(time.time())
    assert KEYS.read(forged(), now_s) is not None
    text = KEYS.make("t1", now_s, 60)
    rotated = SessionKeys(KeyRing(KEY).announce(SigningKey(bytes(32))).rotate())
    session = rotated.read(text, now_s)
    assert session is not None
    assert (session.token_id, session.expires_s) == ("t1", now_s + 60)
    assert KEYS.read(text, now_s + 60) is None
    assert KEYS.read(rotated.make("t1", now_s, 60), now_s) is None
