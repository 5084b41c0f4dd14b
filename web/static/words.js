/* Words, times and ages of the pages, in Chinese and English. */
"use strict";
const Waystation = {};

(function (W) {
  const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
  const WEEKDAYS = ["周日 Sun", "周一 Mon", "周二 Tue", "周三 Wed", "周四 Thu", "周五 Fri", "周六 Sat"];
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

  const TEXTS = {
    title: ["驿站实时总览", "Stations now"], cities: ["城市", "Cities"], all: ["全省", "All"],
    station: ["驿站", "Station"], state: ["状态", "State"], seats: ["空位", "Seats"],
    water: ["饮水", "Water"], batteries: ["满电", "Full batteries"], alerts: ["告警", "Alerts"],
    open: ["现在开放", "Open"], plan: ["按时间表", "By timetable"], closing: ["快关门", "Closing soon"],
    full: ["已满", "Full"], closed: ["已打烊", "Closed"], out: ["停用", "Out of service"],
    safety: ["有安全警报", "Safety alarm"], unknown: ["情况未知", "Unknown"],
    "sum.open": ["现在开放", "open"], "sum.closing": ["快关门", "closing"], "sum.full": ["已满", "full"],
    "sum.closed": ["已打烊", "closed"], "sum.out": ["停用", "out of service"], "sum.unknown": ["情况未知", "unknown"],
    "some.plan": ["按时间表 {n}", "by plan {n}"], "some.safety": ["有警报 {n}", "alarm {n}"],
    stations: ["{n} 站", "{n} stations"], one: ["1 站", "1 station"], number: ["{n} 号", "No. {n}"],
    lead: ["{place}：{n} 个站，{m} 个装了传感器。每个数都写着多久以前收到；太旧的写“未知”。",
      "{place}: {n} stations, {m} with sensors. Every value shows when it was last heard; too old shows as unknown."],
    seatsWas: ["{n} 座", "{n} seats"], seatsN: ["{n} 座", "{n}"], seatsAtLeast: ["{n} 座以上", "{n} or more"], plenty: ["座位充足", "plenty"], few: ["座位不多", "few left"],
    none: ["没有", "none"], full_n: ["{n} 块", "{n}"], full_0: ["暂无", "none"], unknownValue: ["未知", "unknown"],
    "water.hot": ["有热水", "hot"], "water.ok": ["饮水正常", "yes"], "water.low": ["快用完", "low"],
    "water.empty": ["没水了", "none"], "water.off": ["暂停供水", "off"], noTap: ["没装", "no dispenser"], watered: ["{n} 站有水", "at {n}"],
    noCabinet: ["没装", "no cabinet"], noSensor: ["没装", "no sensor"], reporting: ["{n} 站在报", "from {n}"], silent: ["{n} 站没消息", "{n} silent"],
    cabinets: ["{n} 柜", "{n} cabinets"], cabinet: ["1 柜", "1 cabinet"],
    alertsN: ["{n} 个告警", "{n} alerts"], alert1: ["1 个告警", "1 alert"], alertFirst: ["{first} 等 {n} 个", "{first}, {n} in all"],
    emergency: ["紧急", "emergency"], major: ["严重", "major"], minor: ["一般", "minor"], info: ["提示", "notice"],
    allDay: ["24 小时", "24 hours"], closes: ["{t} 关门", "until {t}"], opens: ["{t} 开", "opens {t}"], until: ["到 {t}", "until {t}"],
    mayBeOpen: ["可能开着", "may be open"], stayAway: ["请远离，不要进入", "stay away"], airNow: ["室内 {n} ℃", "{n} °C inside"], about: ["约 {n} 人", "about {n} inside"], nobody: ["里面没人", "nobody inside"],
    then: ["{t} {words}", "at {t}: {words}"], tomorrow: ["明天 {t}", "tomorrow {t}"], door: ["门", "Door"],
    live: ["实时 · {age} · {date}", "Live · {age} · {date}"], lost: ["已断开 · {span}", "Cut off · {span}"], connecting: ["正在连接", "Connecting"],
    stripLost: ["{t} 起收不到更新，正在重连", "No updates since {t}, reconnecting"],
    stripNever: ["连不上，正在重试。可以先看文字版。", "Cannot connect, trying again. The text version may still work."],
    stripHub: ["数据中心暂时收不到设备消息", "The hub hears no devices just now"],
    "why.paused": ["暂停服务", "paused"], "why.rebuilding": ["改造", "rebuilding"], "why.closed": ["已撤站", "closed down"],
    "why.maintenance": ["维护中", "maintenance"], "why.lockdown": ["暂时锁闭", "locked down"],
    "why.hours": ["没登记开放时间", "hours not registered"],
    more: ["{place}还有 {n} 个站", "{n} more in {place}"],
    emptyTitle: ["这里还没有驿站", "No stations here yet"], emptyText: ["{t} 查过，登记后会出现在这里", "Checked at {t}. They show up here once registered."],
    noData: ["{span}没消息", "no data for {span}"], never: ["还没有消息", "no data yet"], ago: ["{span}前", "{span} ago"],
    total: ["共 {n} 个站", "{n} stations in all"],
  };

  let language = 0;
  try { language = sessionStorage.getItem("lang") === "en" ? 1 : 0; } catch (e) { /* private window */ }
  W.english = () => language === 1;
  W.speak = function (en) {
    language = en ? 1 : 0;
    try { sessionStorage.setItem("lang", en ? "en" : "zh"); } catch (e) { /* only this page, then */ }
  };

  /** The text for `key` with its {names} filled in. */
  W.text = function (key, values) {
    const found = TEXTS[key][language];
    return values ? found.replace(/\{(\w+)\}/g, (_, name) => values[name]) : found;
  };

  /** A reason in words; codes have some here, anything else was typed by people. */
  W.why = (reason) => (!reason ? "" : TEXTS["why." + reason] ? W.text("why." + reason) : reason);

  const two = (n) => (n < 10 ? "0" : "") + n;
  /* All stations live by one clock, eight hours ahead of UTC, whatever the phone says. */
  const clock = (at) => new Date(at + 8 * HOUR);
  W.time = (at) => two(clock(at).getUTCHours()) + ":" + two(clock(at).getUTCMinutes());
  W.date = function (at) {
    const d = clock(at), day = WEEKDAYS[d.getUTCDay()].split(" ")[language];
    return language ? day + " " + d.getUTCDate() + " " + MONTHS[d.getUTCMonth()] + ", " + W.time(at)
      : d.getUTCMonth() + 1 + " 月 " + d.getUTCDate() + " 日 " + day + " " + W.time(at);
  };
  const day = (at) => (language ? clock(at).getUTCDate() + " " + MONTHS[clock(at).getUTCMonth()]
    : clock(at).getUTCMonth() + 1 + " 月 " + clock(at).getUTCDate() + " 日");
  /** A time of day; with its day when that is not today. */
  W.when = function (at, now) {
    const days = Math.floor((at + 8 * HOUR) / DAY) - Math.floor((now + 8 * HOUR) / DAY);
    return days === 0 ? W.time(at) : days === 1 ? W.text("tomorrow", { t: W.time(at) }) : day(at);
  };
  /** How long: 12 秒, 3 分钟, 2 小时. */
  W.span = function (ms) {
    const units = language ? [" s", " min", " h", " days"] : [" 秒", " 分钟", " 小时", " 天"];
    if (ms < MINUTE) return Math.max(1, Math.floor(ms / SECOND)) + units[0];
    if (ms < HOUR) return Math.floor(ms / MINUTE) + units[1];
    return ms < DAY ? Math.floor(ms / HOUR) + units[2] : Math.floor(ms / DAY) + units[3];
  };
  W.ago = (at, now) => (now - at < DAY ? W.text("ago", { span: W.span(now - at) }) : day(at));
  W.silent = (at, now) => (at ? W.text("noData", { span: W.span(now - at) }) : W.text("never"));
  W.moment = (text) => (text ? Date.parse(text) : null);
})(Waystation);
