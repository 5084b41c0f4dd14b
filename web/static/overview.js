/* Draws the live overview: open counties only, and of those only what changed. */
"use strict";
(function (W) {
  const { FACTS, make, icon, say, dress, iconOf, batteriesWords, factCell, sayAge, alertCell, sayAlert, row, sayRow } = W.draw;
  const PAGE = 60; // rows of a county before "more"
  const SUMS = ["open", "closing", "full", "closed", "out", "unknown"];
  const $ = (id) => document.getElementById(id);

  let area = "", heads = new Map(), changedRows = new Set(), changedHeads = new Set(), drawing = false, seen = false;
  const unfolded = new Map(); // adcode → what the person chose
  const model = W.Stations((station) => {
    changedRows.add(station);
    changedHeads.add(station.county);
  });

  const place = (c) => (W.english() ? c.name_en : c.name);
  const cityName = (code) => (W.CITIES[code] || [code, code])[W.english() ? 1 : 0];

  /* --- a county: head, rows when open --- */
  function county(c, body) {
    const details = make("details", "", body), summary = make("summary", "", details), grid = make("div", "grid", summary);
    const name = make("div", "cn", grid), h = { c, details, shown: 0 };
    icon("right", name, "i");
    h.name = make("h2", "", name);
    h.count = make("small", "", name);
    const bars = make("div", "bars", grid);
    h.bars = W.STATES.map((state) => {
      const bar = make("span", "", bars);
      icon(iconOf(state), bar);
      return { state, bar, n: bar.appendChild(document.createTextNode("")), word: make("span", "sr", bar) };
    });
    h.facts = FACTS.map(([key]) => factCell(key, grid));
    if (model.staff) h.alert = alertCell(grid);
    h.list = make("ul", "rows", details);
    h.more = make("button", "more", details);
    h.more.type = "button";
    h.more.onclick = () => { showRows(h, h.shown + 4 * PAGE); };
    details.addEventListener("toggle", () => {
      if (h.quiet === details.open) return;
      h.quiet = details.open;
      unfolded.set(c.adcode, details.open);
      details.open ? showRows(h, PAGE) : hideRows(h);
    });
    heads.set(c, h);
    sayHead(h);
    return h;
  }
  function unfold(h) {
    h.quiet = h.details.open = true;
    showRows(h, PAGE);
  }
  /* Rows keep the order in which they first came: a new one is put below, never under a finger. */
  function showRows(h, limit) {
    let shown = 0;
    for (const station of h.c.stations.values()) {
      if (shown >= limit) break;
      shown++;
      if (!station.row) row(station, h.list, model.staff, feed.now());
    }
    h.shown = limit;
    sayMore(h);
  }
  function hideRows(h) {
    h.c.stations.forEach((station) => { station.row = null; });
    h.list.replaceChildren();
    h.shown = 0;
  }
  function sayMore(h) {
    const left = h.c.stations.size - h.list.childElementCount;
    h.more.hidden = !(h.shown && left > 0);
    say(h.more, W.text("more", { place: place(h.c), n: left }));
  }
  function sayHead(h) {
    const { total } = h.c;
    say(h.name, place(h.c));
    say(h.count, total.stations === 1 ? W.text("one") : W.text("stations", { n: total.stations }));
    h.bars.forEach((b) => {
      const n = total.states[b.state];
      b.bar.hidden = n === 0;
      if (b.n.data !== String(n)) b.n.data = String(n);
      say(b.word, " " + W.text(b.state));
    });
    const { seats: n, uncounted } = total;
    const lines = {
      seats: [total.reporting ? (!uncounted ? (n ? W.text("seatsN", { n }) : W.text("none")) : n ? W.text("seatsAtLeast", { n }) : W.text("plenty")) : "",
        W.text("reporting", { n: total.reporting })],
      water: [total.taps ? W.text("watered", { n: total.watered }) : "", W.text("reporting", { n: total.taps })],
      batteries: [total.cabinets ? batteriesWords({ n: total.batteries }) : "",
        total.cabinets === 1 ? W.text("cabinet") : W.text("cabinets", { n: total.cabinets })],
    };
    const silent = { seats: total.silentSeats, water: total.silentWater, batteries: total.silentBatteries };
    h.facts.forEach((f) => {
      const [value, from] = lines[f.key], n = silent[f.key];
      say(f.label, W.text(f.key));
      dress(f.cell, value ? "v" : n ? "v unk" : "v none");
      say(f.value, value || (n ? W.text("unknownValue") : "–"));
      say(f.age, value ? from : n ? W.text("silent", { n }) : "");
    });
    if (h.alert) sayAlert(h.alert, total.alerts, W.SEVERITIES.find((s) => total.worst[s]), total.watched ? null : "–");
  }

  /* --- the page around --- */
  function build() {
    const counties = model.inside(area), body = $("body");
    model.stations.forEach((station) => { station.row = null; });
    heads = new Map();
    body.replaceChildren();
    const total = model.total(counties), wide = innerWidth > 860;
    counties.forEach((c, i) => {
      const h = county(c, body), usual = i === 0 || (wide && total.stations <= 60);
      if (unfolded.has(c.adcode) ? unfolded.get(c.adcode) : usual) unfold(h);
    });
    changedRows.clear();
    changedHeads.clear();
    chips();
    frame();
  }
  function chips() {
    const codes = Array.from(new Set(model.inside("").map((c) => c.adcode.slice(0, 4)))).sort(), nav = $("city");
    const wanted = [["", W.text("all")]].concat(codes.map((code) => [code, cityName(code)]));
    nav.setAttribute("aria-label", W.text("cities"));
    while (nav.childElementCount > wanted.length) nav.lastChild.remove();
    wanted.forEach(([code, name], i) => {
      const a = nav.children[i] || make("a", "", nav), here = code === area;
      a.setAttribute("href", "#" + (code || "all"));
      say(a, name);
      if (here === a.hasAttribute("aria-current")) return;
      here ? a.setAttribute("aria-current", "page") : a.removeAttribute("aria-current");
      if (here) nav.scrollLeft = a.offsetLeft - (nav.clientWidth - a.clientWidth) / 2;
    });
  }
  let sums = null;
  function frame() {
    const total = model.total(model.inside(area)), place = area ? cityName(area) : W.text("all");
    if (!sums) {
      sums = SUMS.map((state) => {
        const li = make("li", "", $("sum"));
        icon(iconOf(state), li);
        return { state, n: make("b", "", li), word: make("span", "", li), some: null };
      });
    }
    const of = { open: ["open", "plan"], out: ["out", "safety"] };
    sums.forEach((x) => {
      const [main, also] = of[x.state] || [x.state], extra = also ? total.states[also] : 0;
      say(x.n, seen ? String(total.states[main] + extra) : "–");
      x.word.firstChild ? (x.word.firstChild.data = W.text("sum." + x.state)) : x.word.append(W.text("sum." + x.state));
      if (extra && !x.some) x.some = make("small", "", x.word);
      if (x.some) { x.some.hidden = !extra; say(x.some, extra ? W.text("some." + also, { n: extra }) : ""); }
    });
    say($("lead"), seen ? W.text("lead", { place, n: total.stations, m: total.equipped }) : "");
    say($("count"), seen ? W.text("total", { n: model.stations.size }) : "");
    document.body.classList.toggle("staff", model.staff);
    const cols = $("cols"), names = ["station", "state"].concat(FACTS.map(([key]) => key), model.staff ? ["alerts"] : []);
    while (cols.childElementCount > names.length) cols.lastChild.remove();
    names.forEach((name, i) => say(cols.children[i] || make("span", "", cols), W.text(name)));
    cols.hidden = total.stations === 0;
    $("empty").hidden = !seen || total.stations > 0;
    say($("empty").firstChild, W.text("emptyTitle"));
    if (seen) say($("empty").lastChild, W.text("emptyText", { t: W.time(feed.now()) }));
  }

  function draw() {
    if (drawing) return;
    drawing = true;
    requestAnimationFrame(() => {
      drawing = false;
      if (!changedHeads.size) return;
      const known = Array.from(changedHeads).every((c) => heads.has(c) || !c.adcode.startsWith(area));
      if (!known) return build();
      changedRows.forEach((station) => { if (station.row) sayRow(station, feed.now()); });
      changedHeads.forEach((c) => {
        const h = heads.get(c);
        if (!h) return;
        if (h.shown) showRows(h, h.shown);
        sayHead(h);
      });
      changedRows.clear();
      changedHeads.clear();
      frame();
    });
  }

  function liveLine() {
    const now = feed.now(), on = feed.connected, strip = $("strip");
    dress($("live"), on ? "live" : feed.lostAt ? "live lost" : "live waiting");
    say($("live-text"), on ? W.text("live", { age: W.ago(feed.newest, now), date: W.date(now) })
      : seen && feed.lostAt ? W.text("lost", { span: W.span(now - feed.lostAt) }) : W.text("connecting"));
    const words = on ? (feed.hubOk ? "" : W.text("stripHub"))
      : !feed.lostAt ? "" : seen ? W.text("stripLost", { t: W.when(feed.lostAt, now) }) : W.text("stripNever");
    strip.hidden = !words;
    say($("strip-text"), words);
    $("again").hidden = on;
    document.body.classList.toggle("has-strip", !!words);
  }

  function second() {
    const now = feed.now();
    feed.watch();
    liveLine();
    if (!seen) return;
    model.lapse(now);
    heads.forEach((h) => {
      if (h.shown) h.c.stations.forEach((station) => { if (station.row) station.row.facts.forEach((f) => sayAge(f, now)); });
    });
    if (changedHeads.size) draw();
  }

  function translate() {
    const en = W.english();
    document.documentElement.lang = en ? "en" : "zh-CN";
    document.title = W.text("title");
    document.querySelectorAll("[data-en]").forEach((x) => {
      if (!x.dataset.zh) x.dataset.zh = x.textContent;
      x.textContent = en ? x.dataset.en : x.dataset.zh;
    });
    const button = $("lang");
    button.textContent = en ? "中文" : "EN";
    button.lang = en ? "zh-CN" : "en";
    button.setAttribute("aria-label", en ? "切换到中文" : "Switch to English");
    if (seen) {
      model.stations.forEach((station) => { if (station.row) sayRow(station, feed.now()); });
      heads.forEach((h) => { sayHead(h); sayMore(h); });
      chips();
    }
    frame();
    liveLine();
  }

  /* An alert does not always change what people see of a station: ask for those stations again. */
  const asked = new Set();
  function alerted(alert) {
    if (!model.staff || !model.stations.has(alert.station)) return;
    if (asked.size === 0) {
      setTimeout(() => {
        const ids = Array.from(asked).slice(0, 20);
        asked.clear();
        ids.forEach((id) => fetch("/api/v1/stations/" + encodeURIComponent(id), { credentials: "same-origin" })
          .then((answer) => (answer.ok ? answer.json() : null))
          .then((station) => { if (station) { model.change([station], feed.now()); draw(); } })
          .catch(() => {}));
      }, 400);
    }
    asked.add(alert.station);
  }

  const chosen = () => { const code = location.hash.slice(1); return /^33\d\d$/.test(code) ? code : ""; };
  area = chosen();
  const feed = W.Feed("/api/v1/live", {
    snapshot(data) {
      const staff = model.staff, first = !seen, gone = model.snapshot(data, feed.now());
      seen = true;
      $("skeleton").hidden = true;
      gone.forEach((station) => { if (station.row) station.row.li.remove(); });
      if (area && !model.inside(area).length) area = "";
      if (first || staff !== model.staff || gone.length) build();
      else draw();
    },
    change(data) { model.change(data.stations, feed.now()); draw(); },
    alert: alerted,
    state() { liveLine(); },
  });

  addEventListener("hashchange", () => { area = chosen(); if (seen) build(); });
  $("lang").onclick = () => { W.speak(!W.english()); translate(); };
  $("again").onclick = () => feed.reconnect();
  setTimeout(() => { if (!seen) $("skeleton").hidden = false; }, 300);
  setInterval(second, 1000);
  translate();
})(Waystation);
