"""The door page in Chromium."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.waiting import eventually
from tests.web import samples
from tests.web.conftest import OpenPage
from tests.web.stand_in import StandIn, Step

pytestmark = [pytest.mark.browser, pytest.mark.integration]

PHONE = {"width": 360, "height": 740}
HOUR_MS = 3_600_000
OPENS: list[Step] = [(0.05, "preparing"), (0.1, "sent"), (0.3, "accepted"), (0.6, "done")]


def _at(hour: int) -> int:
    """Today at this hour of the station clock."""
    return samples.now_ms() // 86_400_000 * 86_400_000 + (hour - 8) * HOUR_MS


def _door(hub: StandIn, page: Page, query: str = "") -> Page:
    page.goto(f"{hub.url}/d/K7Q2{query}")
    return page


def _steps(page: Page) -> list[str]:
    return page.locator("#progress li.ok b").all_inner_texts()


def test_the_steps_follow_the_lock_and_nothing_else(hub: StandIn, open_page: OpenPage) -> None:
    hub.steps = [(0.1, "sent"), (0.4, "accepted"), (2.5, "done"), (3.0, "opened")]
    page = _door(hub, open_page(viewport=PHONE))
    page.click("#idle .go")
    expect(page.locator("#progress li.ok")).to_have_count(3)
    assert _steps(page) == ["可以进站", "已发给门锁", "门锁已收到"]
    assert page.locator("#progress li.ok span").all_inner_texts() == ["0.0 秒", "0.1 秒", "0.4 秒"]
    expect(page.locator("#progress li.now b")).to_have_text("锁舌正在打开")
    expect(page.locator("#granted")).to_be_visible()
    expect(page.locator("#granted h1")).to_have_text("门已打开，请进")
    expect(page.locator("#opened-at")).to_contain_text("用时 2.5 秒")
    expect(page.locator("#relock-text")).to_have_text("请随手关门")
    expect(page.locator("#polite")).to_contain_text("门已打开，请进")


def test_the_request_is_one_of_ours_and_says_so(hub: StandIn, open_page: OpenPage) -> None:
    hub.steps = OPENS
    page = _door(hub, open_page(viewport=PHONE))
    page.click("#idle .go")
    expect(page.locator("#relock")).to_have_text("8")
    assert len(hub.unlocks) == 1
    assert hub.unlocks[0]["x-waystation"] == "1"
    assert len(hub.unlocks[0]["idempotency-key"]) == 32
    expect(page.locator("#relock")).to_have_text("7")


def test_two_quick_taps_send_one_request_and_the_next_has_a_new_key(
    hub: StandIn, open_page: OpenPage
) -> None:
    hub.steps, hub.unlock_s = [*OPENS, (0.8, "unused")], 0.3
    page = _door(hub, open_page(viewport=PHONE))
    page.evaluate("() => { const b = document.querySelector('#idle .go'); b.click(); b.click(); b.click(); }")
    expect(page.locator("#unused")).to_be_visible()
    assert len(hub.unlocks) == 1
    page.click("#unused .go")
    eventually(lambda: len(hub.unlocks) == 2)
    assert hub.unlocks[0]["idempotency-key"] != hub.unlocks[1]["idempotency-key"]


@pytest.mark.parametrize(
    ("last", "title"),
    [
        ("rejected", "门锁没有照办"),
        ("no_answer", "门锁没有回应"),
        ("expired", "这次超时了"),
        ("failed", "门没有打开"),
    ],
)
def test_a_lock_that_does_not_open_is_said_with_how_far_it_came(
    hub: StandIn, open_page: OpenPage, last: str, title: str
) -> None:
    hub.steps = [(0.1, "sent"), (0.2, last)]
    page = _door(hub, open_page(viewport=PHONE))
    page.click("#idle .go")
    expect(page.locator("#why")).to_have_text(title)
    expect(page.locator("#what")).to_contain_text("门不会过后自己打开")
    assert page.locator("#how-far b").all_inner_texts() == ["可以进站", "已发给门锁"]
    expect(page.locator("#retry")).to_be_enabled()


@pytest.mark.parametrize("last", ["expired", "no_answer"])
def test_when_the_lock_has_taken_it_and_falls_silent_people_are_told_to_try_the_door(
    hub: StandIn, open_page: OpenPage, last: str
) -> None:
    hub.steps = [(0.1, "sent"), (0.2, "accepted"), (0.3, last)]
    page = _door(hub, open_page(viewport=PHONE))
    page.click("#idle .go")
    expect(page.locator("#why")).to_have_text("没收到门锁的消息")
    expect(page.locator("#what")).to_contain_text("先推一下门")


def test_a_refusal_shows_its_reason(hub: StandIn, open_page: OpenPage) -> None:
    hub.refusal = (403, {"status": 403, "reason": "full", "title": "站里已满员",
                         "line2": "约 12 人在休息，请稍等",
                         "title_en": "The station is full", "line2_en": "About 12 inside"})  # fmt: skip
    page = _door(hub, open_page(viewport=PHONE))
    page.click("#idle .go")
    expect(page.locator("#why")).to_have_text("站里已满员")
    expect(page.locator("#what")).to_have_text("约 12 人在休息，请稍等")
    page.click("#lang")
    expect(page.locator("#why")).to_have_text("The station is full")


def test_a_refusal_without_words_of_its_own_stays_in_the_page_s_language(
    hub: StandIn, open_page: OpenPage
) -> None:
    hub.refusal = (403, {"status": 403, "code": "forbidden", "title": "Forbidden", "detail": "wrong area"})
    page = _door(hub, open_page(viewport=PHONE))
    page.click("#idle .go")
    expect(page.locator("#why")).to_have_text("现在不能进站")


def test_a_refusal_for_safety_is_the_alarm(hub: StandIn, open_page: OpenPage) -> None:
    hub.refusal = (
        403,
        {"status": 403, "code": "denied", "reason": "safety_lockdown", "title": "本站有安全警报"},
    )
    page = _door(hub, open_page(viewport=PHONE))
    page.click("#idle .go")
    expect(page.locator("#safety")).to_be_visible()


@pytest.mark.parametrize(
    ("status", "title"),
    [
        (401, "开门要先登录"),
        (409, "门锁暂时联系不上"),
        (429, "点得太快了"),
        (503, "系统暂时开不了门"),
        (500, "没成功，请再试一次"),
    ],
)
def test_every_other_answer_is_told_apart(hub: StandIn, open_page: OpenPage, status: int, title: str) -> None:
    hub.refusal = (status, {"status": status, "title": "x"})
    page = _door(hub, open_page(viewport=PHONE))
    page.click("#idle .go")
    expect(page.locator("#why")).to_have_text(title)


def test_no_network_is_a_failed_try_and_not_a_frozen_page(hub: StandIn, open_page: OpenPage) -> None:
    page = _door(hub, open_page(viewport=PHONE))
    page.context.set_offline(True)
    page.click("#idle .go")
    expect(page.locator("#why")).to_have_text("没成功，请再试一次")
    page.context.set_offline(False)
    hub.steps = OPENS
    page.click("#retry")
    expect(page.locator("#granted")).to_be_visible()


def test_without_a_stream_the_page_asks(hub: StandIn, open_page: OpenPage) -> None:
    hub.stream_up, hub.steps = False, OPENS
    page = _door(hub, open_page(viewport=PHONE))
    page.click("#idle .go")
    expect(page.locator("#granted")).to_be_visible()
    hub.steps = [*OPENS, (1.4, "unused")]
    expect(page.locator("#unused")).to_be_visible()
    assert hub.polls >= 2


def test_a_lock_that_says_nothing_more_ends_in_a_plain_word(hub: StandIn, open_page: OpenPage) -> None:
    hub.stream_up, hub.steps = False, [(0.1, "sent"), (0.2, "accepted")]
    page = open_page(viewport=PHONE)
    page.clock.install()
    _door(hub, page)
    page.click("#idle .go")
    expect(page.locator("#progress li.ok")).to_have_count(3)
    page.clock.fast_forward(14_000)
    expect(page.locator("#why")).to_have_text("没收到门锁的消息")


def test_without_script_the_form_brings_a_page_with_the_verdict(hub: StandIn, open_page: OpenPage) -> None:
    page = _door(hub, open_page(viewport=PHONE, java_script_enabled=False))
    page.click("#idle .go")
    assert hub.forms == [{"csrf": "c-1", "key": "k-1"}]
    assert page.locator("#granted").is_visible()
    assert "用时 1.3 秒" in page.locator("#opened-at").inner_text()
    hub.verdict = {"state": "denied", "title": "本站已打烊", "line2": "今天 06:00–22:00 开放"}
    _door(hub, page).click("#idle .go")
    assert page.locator("#refused h1").inner_text() == "本站已打烊"
    assert not page.locator("#granted").is_visible()
    hub.verdict = {"state": "lock_offline"}
    page.click("#retry")
    assert page.locator("#refused h1").inner_text() == "门锁暂时联系不上"
    hub.verdict = {"state": "unused"}
    page.click("#retry")
    assert page.locator("#unused").is_visible()
    assert len(hub.forms) == 4


def test_a_stranger_is_told_how_to_sign_in(hub: StandIn, open_page: OpenPage) -> None:
    hub.signed_in = False
    page = _door(hub, open_page(viewport=PHONE))
    expect(page.locator("#idle")).to_contain_text("请向站点工作人员要一条登录链接")
    assert page.locator("#idle .go").count() == 0


def test_facts_age_into_unknown(hub: StandIn, open_page: OpenPage) -> None:
    hub.station = samples.station(seats_told=samples.seats(6, ago_s=12), fresh_s=60)
    page = open_page(viewport=PHONE)
    page.clock.install()
    _door(hub, page)
    expect(page.locator("#facts")).to_contain_text("还有 6 座")
    expect(page.locator("#state")).to_contain_text("现在开放")
    page.context.set_offline(True)
    page.clock.fast_forward(20_000)
    # The clock goes on by itself, and a busy machine takes its seconds.
    expect(page.locator("#facts .age")).to_have_text(re.compile("^3[2-9] 秒前$"))
    page.clock.fast_forward(120_000)
    expect(page.locator("#facts")).to_contain_text("空位未知")
    expect(page.locator("#facts .age")).to_have_text("2 分钟没消息")
    expect(page.locator("#state")).to_contain_text("可能开着")


def test_an_idle_page_renews_its_facts(hub: StandIn, open_page: OpenPage) -> None:
    page = open_page(viewport=PHONE)
    page.clock.install()
    _door(hub, page)
    hub.station = samples.station(state="full", seats_told=samples.seats(0, "full"))
    page.clock.fast_forward(31_000)
    expect(page.locator("#state")).to_contain_text("已满")
    expect(page.locator("#facts")).to_contain_text("没有空位")
    hub.station = samples.station(state="safety")
    page.clock.fast_forward(31_000)
    expect(page.locator("#safety")).to_be_visible()


@pytest.mark.parametrize("state", ["closed", "full", "out"])
def test_where_a_station_is_of_no_use_the_page_says_where_to_go(
    hub: StandIn, open_page: OpenPage, state: str
) -> None:
    hub.nearby = samples.nearby()
    hub.station = samples.station(state=state)
    page = _door(hub, open_page(viewport=PHONE))
    for words in ("附近还开着", "葭沚街道劳动者驿站", "1.6 km", "还有 4 座", "25 秒前"):
        expect(page.locator("#idle #near")).to_contain_text(words)
    link = page.locator("#near .btn")
    expect(link).to_have_text("导航去这里")
    assert (link.get_attribute("href") or "").startswith("https://uri.amap.com/navigation?to=121.41,28.67")
    page.click("#lang")
    expect(page.locator("#near")).to_contain_text("Jiazhi Street")


def test_while_a_station_can_be_used_the_page_sends_nobody_away(hub: StandIn, open_page: OpenPage) -> None:
    hub.nearby = samples.nearby()
    page = _door(hub, open_page(viewport=PHONE))
    expect(page.locator("#idle .go")).to_be_visible()
    expect(page.locator("#near")).to_be_hidden()
    hub.lock = "offline"
    _door(hub, page)
    expect(page.locator("#near")).to_be_visible()


@pytest.mark.parametrize(
    ("status", "body", "named"),
    [
        (403, {"code": "lock_fault", "reason": "lock_fault", "nearby": samples.nearby()}, True),
        (409, {"code": "lock_offline", "reason": "offline", "nearby": samples.nearby()}, True),
        (403, {"code": "uncertified", "reason": "uncertified", "nearby": None}, False),
        (429, {"code": "too_fast", "reason": "rate"}, False),
        (503, {"code": "hub_down", "reason": "hub_down"}, False),
    ],
)
def test_a_refusal_says_where_to_go_when_that_helps(
    hub: StandIn, open_page: OpenPage, status: int, body: dict[str, Any], named: bool
) -> None:
    hub.nearby = samples.nearby()
    hub.refusal = (status, {"status": status, "title": "x", **body})
    page = _door(hub, open_page(viewport=PHONE))
    page.click("#idle .go")
    expect(page.locator("#refused")).to_be_visible()
    expect(page.locator("#refused #near")).to_be_visible(visible=named)
    assert (page.locator("#near.first").count() == 1) or not named


def test_a_lock_that_is_silent_sends_people_elsewhere_too(hub: StandIn, open_page: OpenPage) -> None:
    hub.nearby = samples.nearby(None, "none")
    hub.steps = [(0.1, "sent"), (0.2, "no_answer")]
    page = _door(hub, open_page(viewport=PHONE))
    page.click("#idle .go")
    expect(page.locator("#refused #near")).to_contain_text("葭沚街道劳动者驿站")
    assert page.locator("#near .facts > div").count() == 1, "nothing counts seats there"
    hub.verdict = {"state": "denied", "title": "站里已满员", "nearby": samples.nearby()}
    page = _door(hub, open_page(viewport=PHONE, java_script_enabled=False))
    page.click("#idle .go")
    assert page.locator("#refused #near .btn").is_visible()


def test_the_neighbour_s_seats_grow_old_as_well(hub: StandIn, open_page: OpenPage) -> None:
    hub.nearby, hub.lock = samples.nearby(), "offline"
    page = open_page(viewport=PHONE)
    page.clock.install()
    _door(hub, page)
    expect(page.locator("#near")).to_contain_text("还有 4 座")
    page.context.set_offline(True)
    page.clock.fast_forward(120_000)
    expect(page.locator("#near")).to_contain_text("空位未知")


def test_a_safety_alarm_leaves_no_button_but_119(hub: StandIn, open_page: OpenPage) -> None:
    hub.station = samples.station(state="safety")
    page = _door(hub, open_page(viewport=PHONE))
    expect(page.locator("#safety")).to_contain_text("请远离，不要进入")
    assert page.locator("#safety .call").get_attribute("href") == "tel:119"
    assert not page.locator(".go").first.is_visible()
    expect(page.locator("#urgent")).to_have_text("请远离，不要进入")


def test_it_is_dark_at_night_by_the_station_clock(hub: StandIn, open_page: OpenPage) -> None:
    for hour, name in ((2, "dark"), (12, ""), (19, "dark")):
        page = _door(hub, open_page(viewport=PHONE, timezone_id="America/New_York"), f"?at_ms={_at(hour)}")
        assert page.evaluate("document.documentElement.className") == name


def test_names_stay_text(hub: StandIn, open_page: OpenPage) -> None:
    evil = '"><img src=x onerror="document.title=1"></script>'
    hub.station = samples.station(name=evil, name_en=evil, reason=evil)
    page = _door(hub, open_page(viewport=PHONE))
    page.click("#lang")
    expect(page.locator(".nm span")).to_have_text(evil)
    assert page.locator("img").count() == 0


@pytest.mark.parametrize("state", ["open", "closing", "full"])
def test_all_that_it_loads_is_at_most_30_kb(hub: StandIn, open_page: OpenPage, state: str) -> None:
    hub.station = samples.station(
        state=state,
        seats_told=samples.seats(6),
        water=samples.water("hot"),
        batteries=samples.claim("full", 7),
        phone="0576-88123456",
    )
    hub.nearby = samples.nearby()
    page = open_page(viewport=PHONE)
    sizes: dict[str, int] = {}
    page.on("response", lambda answer: sizes.update({answer.url: len(answer.body())}))
    _door(hub, page).wait_for_load_state("networkidle")
    assert len(sizes) >= 3
    assert sum(sizes.values()) <= 30 * 1024, sizes


@pytest.mark.parametrize("hour", [2, 12])
def test_axe_finds_nothing_serious_in_any_state(hub: StandIn, open_page: OpenPage, hour: int) -> None:
    from axe_playwright_python.sync_playwright import Axe

    hub.station = samples.station(
        state="full", seats_told=samples.seats(6), batteries=samples.claim("full", None, ago_s=999)
    )
    hub.nearby = samples.nearby()
    page = _door(
        hub, open_page(viewport=PHONE, bypass_csp=True, reduced_motion="reduce"), f"?at_ms={_at(hour)}"
    )
    for section in ("idle", "progress", "granted", "unused", "refused", "safety"):
        page.evaluate(
            "id => { document.querySelectorAll('section').forEach(x => { x.hidden = x.id !== id });"
            " document.getElementById('why').textContent = '门锁没有回应' }", section
        )  # fmt: skip
        found = [v for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")]
        assert [(v["id"], v["nodes"][0]["html"]) for v in found] == [], section
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        small = page.evaluate(
            "[...document.querySelectorAll('a, button')].map(x => [x.textContent, x.getBoundingClientRect()])"
            ".filter(([, r]) => r.width && (r.width < 48 || r.height < 48)).map(([t]) => t)"
        )
        assert small == []
