"""Renders the pages from their templates and says which files they load."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from web import wording

Json = Mapping[str, Any]
"""A JSON object as the API answers it."""

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"
"""What is served under /static/. A name with ?v=… never changes: it may be cached for a year."""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The strictest header that every page here works under."""


def overview_page() -> str:
    """The live overview; it fetches what it shows from /api/v1/live."""
    return _environment().get_template("overview.html").render()


def plain_page(
    stations: Sequence[Json], counties: Sequence[Json], *, now_ms: int, lang: Literal["zh", "en"] = "zh"
) -> str:
    """The overview as one table for browsers without script.

    `stations` and `counties` are those of the live feed's snapshot, in its order.
    """
    places = {str(county["adcode"]): county for county in counties}
    rows = [wording.Row.of(station, now_ms, lang == "en") for station in stations]
    groups: dict[str, list[wording.Row]] = {}
    for row in rows:
        groups.setdefault(row.adcode, []).append(row)
    return (
        _environment()
        .get_template("plain.html")
        .render(groups=groups, places=places, en=lang == "en", time=wording.minute(now_ms), rows=rows)
    )


def door_page(
    door: Json,
    *,
    now_ms: int,
    signed_in: bool,
    csrf: str = "",
    key: str = "",
    verdict: Json | None = None,
    phone: str | None = None,
    relock_s: int = 8,
) -> str:
    """The door page; `door` is the answer of GET /api/v1/doors/{code}.

    Without script the button posts `csrf` and `key` (an idempotency key made for this page) to
    /d/{code}; `verdict` is what came of it: {"state"} is a command's state, or "denied",
    "lock_offline", "hub_down", "not_signed_in", "too_fast"; {"title", "line2", "title_en",
    "line2_en"} say it in words, those of a refusal always, others have a default (title_zh
    and line2_zh mean the same); {"reason": "safety"} shows the alarm; {"at_ms", "took_s"} say when
    the bolt moved and how long it took. {"nearby"} says where else to go, where a refusal of
    the API names it. `phone` is whom to call for help, else the station's own.
    """
    station = door["station"]
    verdicts = wording.VERDICTS
    said: dict[str, Any] | None = None
    if verdict is not None:
        state = str(verdict["state"])
        said = {"at_ms": None, "took_s": None, **verdicts.get(state, verdicts["denied"])}
        said.update({name.removesuffix("_zh"): value for name, value in verdict.items() if value is not None})
        said["kind"] = {"done": "granted", "opened": "granted", "unused": "unused"}.get(state, "refused")
    row = wording.Row.of(station, now_ms, en=False)
    row_en = wording.Row.of(station, now_ms, en=True)
    shown = said["kind"] if said else "safety" if row.state == "safety" else "idle"
    if said and said.get("reason") == "safety":
        shown = "safety"
    place = [door.get("label"), station.get("address")]
    place_en = [door.get("label_en") or place[0], station.get("address_en") or place[1]]
    at_the_lock = verdict is None or verdict["state"] in ("no_answer", "rejected", "failed")
    nearby = door.get("nearby") if at_the_lock or verdict is None else verdict.get("nearby")
    sayings = {
        state: [words["title"], words["line2"], words["title_en"], words["line2_en"]]
        for state, words in verdicts.items()
        if state not in ("done", "opened", "unused")
    }
    return (
        _environment()
        .get_template("door.html")
        .render(
            door=door, station=station, row=row, row_en=row_en, signed_in=signed_in, csrf=csrf, key=key,
            place=" · ".join(filter(None, place)), place_en=" · ".join(filter(None, place_en)), verdict=said,
            verdicts=verdicts, sayings=sayings, phone=phone or station.get("phone"), relock_s=relock_s,
            nearby=nearby, away=wording.metres(nearby["distance_m"]) if nearby else "",
            near_seats=wording.seats(nearby, now_ms, en=False) if nearby else None,
            near_seats_en=wording.seats(nearby, now_ms, en=True) if nearby else None,
            unusable=door.get("lock") == "offline" or row.state in ("closed", "full", "out"),
            now_ms=now_ms, shown=shown, night=wording.is_night(now_ms), second=wording.second,
        )
    )  # fmt: skip


def sign_in_page(*, t: str = "", next_: str = "/", word: str = "") -> str:
    """The page behind a one-time link: its button posts `t`, `next` and `word`; without `t` it is over."""
    return _environment().get_template("sign_in.html").render(t=t, next=next_, word=word)


def problem_page(status: int, *, at_door: bool = False) -> str:
    """What a browser sees where a page should be: what is wrong, and what to do."""
    said = wording.PROBLEMS.get(status, wording.TROUBLE)
    if at_door and status in (404, 422):
        said = wording.NO_DOOR
    return _environment().get_template("problem.html").render(said=said)


def asset(name: str) -> str:
    """The address of a file in static/, with the hash of its bytes so that it can be kept for ever."""
    return f"/static/{name}?v={_version(name)}"


@cache
def _version(name: str) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.globals["asset"] = asset
    # Chinese as it is: a third of the bytes of escapes, and every byte of the door page is counted.
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    return environment
