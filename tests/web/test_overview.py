"""The live overview in Chromium."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.waiting import eventually
from tests.web import samples
from tests.web.conftest import OpenPage
from tests.web.stand_in import StandIn

pytestmark = [pytest.mark.browser, pytest.mark.integration]


def _shown(hub: StandIn, page: Page, path: str = "/#3310") -> Page:
    page.goto(hub.url + path)
    expect(page.locator(".live:not(.waiting)")).to_be_visible()
    expect(page.locator(".st").first).to_be_visible()
    return page


def test_a_snapshot_is_shown_by_county_with_counts_and_ages(hub: StandIn, open_page: OpenPage) -> None:
    page = _shown(hub, open_page())
    row = page.locator(".st", has_text="葭沚街道劳动者驿站")
    expect(row).to_contain_text("007 号")
    expect(row).to_contain_text("现在开放")
    expect(row).to_contain_text("4 座")
    expect(row).to_contain_text("暂无")
    assert "25 秒前" in row.inner_text() or "26 秒前" in row.inner_text()
    expect(page.locator(".st", has_text="解放路午间驿站")).to_contain_text("座位充足")
    expect(page.locator(".st", has_text="月湖公园骑手驿站")).to_contain_text("14 分钟没消息")
    expect(page.locator(".st", has_text="章安街道劳动者驿站")).to_contain_text("可能开着")
    expect(page.locator("summary", has_text="椒江区")).to_contain_text("13 座以上")
    expect(page.locator("#live")).to_contain_text("实时")
    assert page.locator("#sum b").all_inner_texts() == ["8", "1", "1", "1", "1", "1"]
    assert page.locator(".city a").all_inner_texts() == ["全省", "杭州", "台州"]


def test_a_change_alters_its_row_in_place_and_the_totals(hub: StandIn, open_page: OpenPage) -> None:
    page = _shown(hub, open_page())
    page.evaluate("document.querySelector('.st').dataset.kept = 'yes'")
    names = page.locator(".st .n b").all_inner_texts()
    hub.change(samples.station(state="full", seats_told=samples.seats(0, "full", ago_s=1),
                               batteries=samples.claim("full", 5, ago_s=1)))  # fmt: skip
    row = page.locator(".st").first
    expect(row).to_contain_text("已满")
    expect(row).to_contain_text("5 块")
    assert row.get_attribute("data-kept") == "yes"
    assert page.locator(".st .n b").all_inner_texts() == names
    assert page.locator("#sum b").all_inner_texts() == ["7", "1", "2", "1", "1", "1"]
    expect(page.locator("summary", has_text="椒江区")).to_contain_text("14 块")


def test_a_row_says_how_warm_it_is_inside_until_that_is_too_old(hub: StandIn, open_page: OpenPage) -> None:
    page = _shown(hub, open_page())
    warm = samples.station(seats_told=samples.seats(6))
    warm["availability"]["air"] = samples.claim("temp_c", 26, fresh_s=3)
    hub.change(warm)
    row = page.locator(".st").first
    expect(row).to_contain_text("室内 26 ℃")
    # Nothing more is said: it grows old by itself.
    expect(row).not_to_contain_text("室内")


def test_a_new_station_is_put_below_the_others(hub: StandIn, open_page: OpenPage) -> None:
    page = _shown(hub, open_page())
    hub.change(samples.station("000", "新站", seats_told=samples.seats(9)))
    rows = page.locator("details", has_text="椒江区").locator(".st")
    expect(rows.last).to_contain_text("新站")
    assert rows.count() == 10


def test_ages_count_and_values_become_unknown_without_the_network(hub: StandIn, open_page: OpenPage) -> None:
    page = open_page()
    page.clock.install()
    _shown(hub, page)
    hub.feed_up = False
    hub.cut()
    expect(page.locator("#live")).to_have_class("live lost")
    page.clock.fast_forward(40_000)
    row = page.locator(".st").first
    # Eight seconds when it was said, forty that passed, and however long the page took to be there.
    expect(row).to_contain_text(re.compile("(4[89]|5[0-9]) 秒前"))
    expect(row).to_contain_text("6 座")
    page.clock.fast_forward(180_000)
    expect(row).to_contain_text("情况未知")
    expect(row).to_contain_text("未知")
    expect(row).to_contain_text("3 分钟没消息")
    expect(row.locator(".v b").first).to_have_text("未知")
    expect(page.locator("#sum li").last).to_contain_text("12")
    expect(page.locator("#sum li").first.locator("b")).to_have_text("0")


def test_a_cut_feed_is_told_and_comes_back_by_itself(hub: StandIn, open_page: OpenPage) -> None:
    page = _shown(hub, open_page())
    hub.feed_up = False
    hub.cut()
    expect(page.locator("#strip")).to_be_visible()
    expect(page.locator("#strip-text")).to_contain_text("起收不到更新")
    expect(page.locator("#live")).to_contain_text("已断开")
    dot = page.evaluate("getComputedStyle(document.querySelector('#live'), '::before').borderTopStyle")
    assert dot == "dashed"
    hub.snapshot["stations"][0] = samples.station(seats_told=samples.seats(2))
    hub.feed_up = True
    expect(page.locator("#live")).to_contain_text("实时", timeout=20_000)
    expect(page.locator("#strip")).to_be_hidden()
    expect(page.locator(".st").first).to_contain_text("2 座")


def test_a_silent_feed_counts_as_cut(hub: StandIn, open_page: OpenPage) -> None:
    page = open_page()
    page.clock.install()
    _shown(hub, page)
    hub.feed_up = False
    page.clock.fast_forward(13_000)
    expect(page.locator("#live")).to_have_class("live lost")


def test_resync_asks_for_a_new_snapshot(hub: StandIn, open_page: OpenPage) -> None:
    page = _shown(hub, open_page())
    hub.snapshot["stations"].pop(0)
    hub.send("resync", {})
    expect(page.locator("#main")).not_to_contain_text("椒江万达劳动者驿站")
    eventually(lambda: hub.listening == 1)
    expect(page.locator("#strip")).to_be_hidden()


def test_a_hub_that_hears_nothing_is_told(hub: StandIn, open_page: OpenPage) -> None:
    page = _shown(hub, open_page())
    hub.send("beat", {"now": samples.at(0), "hub": {"ok": False, "seen": samples.at(-9)}})
    expect(page.locator("#strip-text")).to_have_text("数据中心暂时收不到设备消息")
    hub.send("beat", {"now": samples.at(0), "hub": {"ok": True, "seen": samples.at(0)}})
    expect(page.locator("#strip")).to_be_hidden()


def test_a_wrong_phone_clock_changes_no_age(hub: StandIn, open_page: OpenPage) -> None:
    page = open_page()
    page.clock.install(time=samples.now_ms() / 1000 - 7200)
    _shown(hub, page)
    expect(page.locator(".st").first).to_contain_text("6 座")
    assert "小时" not in page.locator(".st").first.locator(".v").first.inner_text()


def test_what_people_typed_stays_text(hub: StandIn, open_page: OpenPage) -> None:
    evil = "<img src=x onerror=\"document.title='gone'\"></script>"
    hub.snapshot = samples.snapshot(staff=True)
    hub.snapshot["stations"][0] |= {"name": evil, "number": "<b>1</b>"}
    hub.snapshot["stations"][0]["availability"]["reason"] = evil
    hub.snapshot["stations"][0]["alerts"] = {"open": 1, "worst": "major", "first": evil}
    hub.snapshot["counties"][1]["name"] = evil
    page = _shown(hub, open_page())
    expect(page.locator(".st").first.locator(".n b")).to_have_text(evil)
    assert page.locator("#main img").count() == 0
    plain = open_page()
    plain.goto(hub.url + "/?plain=1")
    expect(plain.locator("tbody th").first).to_contain_text(evil)
    assert plain.locator("img").count() == 0
    assert [page.title(), plain.title()] == ["驿站实时总览", "驿站总览 · 文字版"]


def test_alerts_are_a_column_for_staff_alone(hub: StandIn, open_page: OpenPage) -> None:
    page = _shown(hub, open_page())
    assert page.locator(".al, .go").count() == 0
    assert "告警" not in page.locator("#cols").inner_text()
    hub.snapshot = samples.snapshot(staff=True)
    page = _shown(hub, open_page())
    expect(page.locator("#cols")).to_contain_text("告警")
    expect(page.locator(".st", has_text="月湖公园骑手驿站")).to_contain_text("7 号仓过热")
    expect(page.locator(".st", has_text="洪家街道劳动者驿站")).to_contain_text("烟雾报警 等 2 个")
    expect(page.locator("summary", has_text="椒江区")).to_contain_text("5 个告警")
    expect(page.locator("summary", has_text="黄岩区").locator(".al")).to_have_text("–")
    assert page.locator(".st").first.locator(".go").get_attribute("href") == "/d/K7Q2"


def test_staff_read_how_many_are_inside_in_plain_words(hub: StandIn, open_page: OpenPage) -> None:
    told = samples.station(seats_told=samples.seats(8))
    told["availability"]["people"] = samples.claim("about", 0)
    hub.snapshot = {**samples.snapshot(staff=True), "stations": [{**told, "door": "K7Q2"}]}
    page = _shown(hub, open_page())
    expect(page.locator(".st").first).to_contain_text("里面没人")
    page.click("#lang")
    expect(page.locator(".st").first).to_contain_text("nobody inside")
    told["availability"]["people"] = samples.claim("about", 3)
    hub.change(told)
    expect(page.locator(".st").first).to_contain_text("about 3 inside")


def test_an_alert_brings_its_station_up_to_date(hub: StandIn, open_page: OpenPage) -> None:
    hub.snapshot = samples.snapshot(staff=True)
    page = _shown(hub, open_page())
    hub.snapshot["stations"][0]["alerts"] = {"open": 1, "worst": "emergency", "first": "门被强行打开"}
    hub.send("alert", {"now": samples.at(0), "station": "331002-0001", "state": "firing"})
    expect(page.locator(".st").first).to_contain_text("门被强行打开")


def test_english_is_kept_for_the_visit(hub: StandIn, open_page: OpenPage) -> None:
    page = _shown(hub, open_page())
    page.click("#lang")
    expect(page.locator("h1")).to_have_text("Stations now")
    expect(page.locator(".st").first).to_contain_text("Jiaojiang Wanda")
    assert page.evaluate("document.documentElement.lang") == "en"
    page.reload()
    expect(page.locator(".st").first).to_contain_text("s ago")
    expect(page.locator("h1")).to_have_text("Stations now")
    page.click("#lang")
    expect(page.locator(".st").first).to_contain_text("椒江万达劳动者驿站")


@pytest.mark.parametrize("staff", [False, True])
@pytest.mark.parametrize("english", [False, True])
def test_a_narrow_phone_needs_no_sideways_scroll(
    hub: StandIn, open_page: OpenPage, staff: bool, english: bool
) -> None:
    hub.snapshot = samples.snapshot(staff=staff)
    page = _shown(hub, open_page(viewport={"width": 360, "height": 740}))
    if english:
        page.click("#lang")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    hub.feed_up = False
    hub.cut()
    expect(page.locator("#strip")).to_be_visible()
    small = page.evaluate(
        "[...document.querySelectorAll('a, button, summary')]"
        ".map(x => [x.textContent.trim(), x.getBoundingClientRect()])"
        ".filter(([, r]) => r.width && (r.width < 48 || r.height < 48)).map(([t]) => t)"
    )
    assert small == []


def test_on_a_phone_only_alerts_that_are_there_take_a_line(hub: StandIn, open_page: OpenPage) -> None:
    hub.snapshot = samples.snapshot(staff=True)
    page = _shown(hub, open_page(viewport={"width": 390, "height": 844}))
    jiaojiang = page.locator("summary", has_text="椒江区").locator(".al")
    expect(jiaojiang).to_be_visible()
    for one in hub.snapshot["stations"]:
        if one["adcode"] == "331002":
            hub.change(one | {"alerts": {"open": 0, "worst": None, "first": None}})
    expect(jiaojiang).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(hub: StandIn, open_page: OpenPage, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    hub.snapshot = samples.snapshot(staff=True)
    for path in ("/#3310", "/?plain=1"):
        # The checker brings its own script, which the pages' policy would refuse.
        page = open_page(color_scheme=scheme, bypass_csp=True)
        page.goto(hub.url + path)
        expect(page.locator("tbody th, .st").first).to_be_visible()
        found = [v for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")]
        assert [(v["id"], v["nodes"][0]["html"]) for v in found] == []


def test_twelve_thousand_stations_stay_usable(hub: StandIn, open_page: OpenPage) -> None:
    hub.snapshot = samples.province(12_000)
    page = open_page()
    page.goto(hub.url)
    expect(page.locator("#count")).to_have_text("共 12000 个站", timeout=30_000)
    expect(page.locator("details")).to_have_count(90)
    assert page.evaluate("document.querySelectorAll('*').length") < 12_000
    page.locator("summary").nth(1).click()
    expect(page.locator("details").nth(1).locator(".st").first).to_be_visible()
    took_ms = page.evaluate(
        "() => new Promise(done => { const t = performance.now();"
        " document.querySelectorAll('summary')[2].click();"
        " requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - t))) })"
    )
    assert took_ms < 1500
    more = page.locator("details").nth(1).locator(".more")
    expect(more).to_contain_text("还有 74 个站")
    more.click()
    expect(page.locator("details").nth(1).locator(".st")).to_have_count(134)


def test_no_stations_says_so_and_when_it_was_checked(hub: StandIn, open_page: OpenPage) -> None:
    hub.snapshot |= {"stations": []}
    page = open_page()
    page.goto(hub.url)
    expect(page.locator("#empty")).to_contain_text("这里还没有驿站")
    expect(page.locator("#empty")).to_contain_text("查过")


def test_an_unreachable_feed_shows_what_still_works(hub: StandIn, open_page: OpenPage) -> None:
    hub.feed_up = False
    page = open_page()
    page.goto(hub.url)
    expect(page.locator("#strip-text")).to_contain_text("文字版")
    expect(page.locator("#skeleton")).to_be_visible()


def test_without_script_there_is_a_table(hub: StandIn, open_page: OpenPage) -> None:
    page = open_page(java_script_enabled=False, viewport={"width": 360, "height": 740})
    page.goto(hub.url)
    page.click("noscript a")
    assert page.locator("tbody tr").count() == 14
    first = page.locator("tbody tr").first.inner_text()
    assert "现在开放" in first
    assert "6 座" in first
    assert "7 块" in first


@pytest.mark.parametrize("english", [False, True])
def test_the_table_and_the_live_page_say_the_same(hub: StandIn, open_page: OpenPage, english: bool) -> None:
    page = _shown(hub, open_page())
    if english:
        page.click("#lang")
    live = page.evaluate(
        "[...document.querySelectorAll('.st')].map(x => ['.n b', '.w', '.wd .age', '.v:nth-of-type(3) b']"
        ".map(css => x.querySelector(css).textContent))"
    )
    page.goto(hub.url + "/?plain=1" + ("&lang=en" if english else ""))
    rows = {row[0]: row for row in page.evaluate(
        "[...document.querySelectorAll('tbody tr')].map(x => [x.querySelector('th').firstChild.textContent,"
        " x.querySelector('td b').textContent, x.querySelector('td small').textContent,"
        " (x.querySelector('td:nth-child(3) b, td:nth-child(3) i') || x.cells[2]).textContent.trim()])"
    )}  # fmt: skip
    assert len(live) == 13
    for name, word, note, seats in live:
        assert rows[name][1:3] == [word, note]
        if rows[name][3] != "–":
            assert rows[name][3] == seats
