"use strict";
(function (D) {
  var $ = function (id) { return D.getElementById(id); }, all = function (css) { return D.querySelectorAll(css); };
  var body = D.body, code = body.dataset.door, relockS = +body.dataset.relock, offset = body.dataset.now - Date.now();
  var said = JSON.parse($("verdicts").textContent), en = false, tap = null, tick = 0;
  var STEPS = { created: 0, preparing: 0, sent: 1, accepted: 2, done: 3, opened: 4 };
  var FINAL = { opened: 1, unused: 1, rejected: 1, no_answer: 1, expired: 1, failed: 1 };
  var now = function () { return Date.now() + offset; };

  /* --- words --- */
  function put(x, zh, english) {
    x.dataset.zh = zh;
    x.dataset.en = english;
    x.textContent = en ? english : zh;
  }
  function speak(english) {
    en = english;
    D.documentElement.lang = en ? "en" : "zh-CN";
    all("[data-en]").forEach(function (x) {
      if (x.dataset.zh == null) x.dataset.zh = x.textContent;
      x.textContent = en ? x.dataset.en : x.dataset.zh;
    });
    $("lang").textContent = en ? "中文" : "EN";
    $("lang").lang = en ? "zh-CN" : "en";
    $("lang").setAttribute("aria-label", en ? "切换到中文" : "Switch to English");
    try { sessionStorage.setItem("lang", en ? "en" : "zh"); } catch (e) { /* private window */ }
  }
  function span(ms, english) {
    var s = Math.max(1, Math.floor(ms / 1000)), u = english ? [" s", " min", " h"] : [" 秒", " 分钟", " 小时"];
    return s < 60 ? s + u[0] : s < 3600 ? Math.floor(s / 60) + u[1] : Math.floor(s / 3600) + u[2];
  }
  function clock(at) { return new Date(at + 288e5).toISOString().slice(11, 19); } // stations live at UTC+8
  function show(id) {
    all("section").forEach(function (x) { x.hidden = x.id !== id; });
    var heading = $(id).querySelector("h1"), next = heading.nextElementSibling;
    $("polite").textContent = heading.textContent + (next && next.tagName === "P" ? " " + next.textContent : "");
    if (id !== "progress") scrollTo(0, 0);
  }

  /* --- ages, and what is too old --- */
  function age() {
    all(".facts .age").forEach(function (x) {
      var at = +x.dataset.at, old = x.dataset.until && now() > x.dataset.until, fact = x.parentNode, b = fact.querySelector("b");
      if (!at) return;
      if (old && fact.className !== "old") {
        fact.className = "old";
        put(b, b.dataset.none, b.dataset.noneEn);
      }
      old = fact.className === "old";
      put(x, old ? span(now() - at) + "没消息" : span(now() - at) + "前", old ? "no data for " + span(now() - at, 1) : span(now() - at, 1) + " ago");
    });
    var h = D.querySelector("#state h1");
    if (h.dataset.until && now() > h.dataset.until) {
      h.dataset.until = "";
      D.querySelector("#state svg").innerHTML = '<use href="#b-unknown"/>';
      put(h.children[0], "情况未知", "Unknown");
      put(h.children[1], "可能开着", "may be open");
    }
    var hour = +clock(now()).slice(0, 2);
    D.documentElement.className = hour >= 6 && hour < 18 ? "" : "dark";
  }
  function refresh() { // the same page again, only its state and facts
    if (D.hidden || tap || $("idle").hidden) return;
    fetch(location.href, { credentials: "same-origin" }).then(function (a) { return a.ok ? a.text() : ""; }).then(function (text) {
      var page = new DOMParser().parseFromString(text, "text/html");
      if (tap || !page.getElementById("facts")) return;
      offset = page.body.dataset.now - Date.now();
      ["state", "facts", "near"].forEach(function (id) { $(id).replaceWith(D.adoptNode(page.getElementById(id))); });
      if (en) speak(en);
      age();
      if (!page.getElementById("safety").hidden) alarm();
    }).catch(function () {});
  }
  function alarm() { show("safety"); $("urgent").textContent = D.querySelector(".away").textContent; }

  /* --- one tap --- */
  function Tap() {
    var me = this, last = -1, source = null, poll = 0, began = Date.now(), rows = all("#progress .steps li"), over = false, moved = null;
    var seconds = function () { return (Date.now() - began) / 1000; };
    function step(state, after) {
      var n = STEPS[state];
      if (n === undefined || n <= last) return;
      for (var i = last + 1; i <= n; i++) {
        rows[i].className = "ok";
        put(rows[i].children[2], i === n ? after.toFixed(1) + " 秒" : "", i === n ? after.toFixed(1) + " s" : "");
      }
      if (n === 3) put(rows[3].children[1], "锁舌已打开", "Bolt is open");
      last = n;
      if (rows[n + 1]) rows[n + 1].className = "now";
    }
    function draw() {
      var s = seconds(), left = Math.max(0, 1 - s / 10), row = rows[last + 1];
      if (moved === null) {
        $("limit").firstChild.style.transform = "scaleX(" + left + ")";
        $("limit").setAttribute("aria-valuenow", Math.round(left * 10));
        if (row && row.className === "now") put(row.children[2], s.toFixed(1) + " 秒", s.toFixed(1) + " s");
        if (s > 13) me.refuse("unsure");
        return;
      }
      var n = Math.ceil(relockS - (Date.now() - moved) / 1000), c = $("relock");
      $("relock-bar").firstChild.style.transform = "scaleX(" + Math.max(0, n / relockS) + ")";
      if (over || n <= 0) {
        c.textContent = "";
        $("relock-bar").hidden = true;
        put($("relock-text"), "请随手关门", "Please close it behind you");
        if (n <= -60) me.end();
      } else c.textContent = n;
    }
    function granted(s) {
      if (moved !== null) return;
      moved = Date.now();
      $("relock-bar").hidden = false;
      put($("relock-text"), "秒后自动上锁，请随手关门", "s until it locks. Please close it.");
      put($("opened-at"), clock(now()) + " 开门 · 用时 " + s.toFixed(1) + " 秒", clock(now()) + " · opened in " + s.toFixed(1) + " s");
      show("granted");
      draw();
      if (navigator.vibrate) try { navigator.vibrate(120); } catch (e) { /* not allowed here */ }
    }
    me.end = function () {
      clearInterval(tick);
      clearInterval(poll);
      if (source) source.close();
      over = true;
      tap = null;
      all("[form=ask]").forEach(function (x) { x.disabled = false; });
    };
    me.refuse = function (name, problem) {
      var words = said[name] || said.denied, p = problem || {}, zh = p.zh || {}, e = p.en || {}, list = $("how-far"), near = $("near");
      me.end();
      put($("why"), zh.title || p.title_zh || chinese(p.title) || words[0], e.title || p.title_en || words[2]);
      put($("what"), zh.line2 || p.line2_zh || chinese(p.line2) || words[1], e.line2 || p.line2_en || words[3]);
      list.textContent = "";
      for (var i = 0; problem === undefined && i <= last; i++) list.append(rows[i].cloneNode(true));
      list.hidden = !list.children.length;
      list.after(near);
      near.className = problem ? "near first" : "near"; // where trying again may help, that comes first
      near.hidden = !near.firstChild || !(problem ? p.nearby : /no_answer|rejected|failed/.test(name));
      $("retry").hidden = name === "not_signed_in";
      show("refused");
    };
    me.heard = function (x) {
      if (over) return;
      var s = x.after_s == null ? seconds() : x.after_s;
      step(x.state, s);
      if (x.state === "done" || x.state === "opened") granted(s);
      if (!FINAL[x.state]) return;
      if (x.state === "unused") { me.end(); show("unused"); }
      else if (x.state === "opened") { over = true; if (source) source.close(); clearInterval(poll); draw(); release(); }
      else me.refuse(last > 1 && /expired|no_answer/.test(x.state) ? "unsure" : x.state); // what the lock took it may have done
    };
    function release() { // inside: nothing more comes, the page may be used again
      clearInterval(tick);
      tap = null;
      all("[form=ask]").forEach(function (x) { x.disabled = false; });
    }
    function ask(id) {
      fetch("/api/v1/commands/" + encodeURIComponent(id), { credentials: "same-origin" })
        .then(function (a) { return a.json(); }).then(function (c) { (c.steps || []).forEach(me.heard); }).catch(function () {});
    }
    function follow(answer) {
      var polling = function () {
        if (source) source.close();
        if (!over && !poll) poll = setInterval(function () { ask(answer.command); }, 500);
      };
      step("created", 0);
      if (!window.EventSource) return polling();
      source = new EventSource(answer.stream);
      source.addEventListener("step", function (event) { me.heard(JSON.parse(event.data)); });
      source.onerror = polling;
    }

    all("[form=ask]").forEach(function (x) { x.disabled = true; });
    rows.forEach(function (x, i) { x.className = i ? "" : "now"; put(x.children[2], "", ""); });
    put(rows[3].children[1], "锁舌正在打开", "Bolt is moving");
    show("progress");
    tick = setInterval(draw, 100);
    draw();
    /* Nothing sent late: what has not left the phone in 5 s is called off. */
    var call = window.AbortController ? new AbortController() : null, timer = setTimeout(function () { if (call) call.abort(); }, 5000);
    fetch("/api/v1/doors/" + encodeURIComponent(code) + "/unlock", {
      method: "POST", credentials: "same-origin", signal: call ? call.signal : undefined,
      headers: { "Idempotency-Key": key(), "X-Waystation": "1", Accept: "application/json" },
    }).then(function (answer) {
      clearTimeout(timer);
      return answer.json().catch(function () { return {}; }).then(function (data) {
        if (answer.ok) return follow(data);
        if (/safety|lockdown/.test(data.reason)) { me.end(); return alarm(); }
        var name = { 401: "not_signed_in", 409: "lock_offline", 429: "too_fast", 503: "hub_down" }[answer.status];
        me.refuse(said[data.code] ? data.code : name || (answer.status === 403 ? "denied" : "unsent"), /40[39]/.test(answer.status) ? data : null);
      });
    }).catch(function () { me.refuse("unsent", null); });
  }
  function chinese(text) { return /[\u4e00-\u9fff]/.test(text) ? text : ""; } // a title may be HTTP's own phrase
  function key() {
    var bytes = crypto.getRandomValues(new Uint8Array(16)), text = "";
    bytes.forEach(function (b) { text += (b + 256).toString(16).slice(1); });
    return text;
  }

  D.addEventListener("submit", function (event) {
    if (!window.fetch) return; // then the form goes its own way
    event.preventDefault();
    if (!tap) tap = new Tap();
  });
  $("lang").onclick = function () { speak(!en); };
  try { if (sessionStorage.getItem("lang") === "en") speak(true); } catch (e) { /* private window */ }
  age();
  setInterval(age, 1000);
  setInterval(refresh, 30000);
  D.addEventListener("visibilitychange", refresh);
  if (!$("safety").hidden) alarm();
})(document);
