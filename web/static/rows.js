/* Draws one station: its row, its facts with their ages, its alert. */
"use strict";
(function (W) {
  const ICON = { closing: "soon" };
  const MARK = { emergency: "e", major: "s", minor: "n", info: "t" };
  /* A further fact of stations is one more line here and one more column in --facts. */
  const FACTS = [["seats", seatsWords], ["water", waterWords], ["batteries", batteriesWords]];

  function make(tag, className, parent) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (parent) parent.append(element);
    return element;
  }
  function icon(name, parent, className) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    if (className) svg.setAttribute("class", className);
    svg.setAttribute("aria-hidden", "true");
    use.setAttribute("href", "#" + name);
    svg.append(use);
    parent.append(svg);
    return use;
  }
  /* Touching the page only where it differs keeps 400 open rows cheap. */
  const say = (element, text) => { if (element.textContent !== text) element.textContent = text; };
  const dress = (element, name) => { if (element.className !== name) element.className = name; };
  const point = (use, name) => { if (use.getAttribute("href") !== "#" + name) use.setAttribute("href", "#" + name); };
  const iconOf = (state) => "b-" + (ICON[state] || state);

  function seatsWords(c) {
    if (c.kind === "word") return W.text(c.word);
    return c.n ? W.text("seatsN", { n: c.n }) : W.text("none");
  }
  function waterWords(c) { return W.text("water." + c.word); }
  function batteriesWords(c) { return c.n ? W.text("full_n", { n: c.n }) : W.text("full_0"); }

  /* --- one fact: label, value, age --- */
  function factCell(key, parent) {
    const cell = make("div", "v", parent);
    return { key, cell, label: make("span", "l", cell), value: make("b", "", cell), age: make("span", "age", cell) };
  }
  function sayFact(f, claim, words, now) {
    say(f.label, W.text(f.key));
    f.claim = claim;
    const { kind } = claim;
    dress(f.cell, kind === "unknown" ? "v unk" : kind === "absent" || kind === "apart" ? "v none" : "v");
    say(f.value, kind === "unknown" ? W.text("unknownValue") : kind === "absent" ? W.text(claim.word) : kind === "apart" ? "–" : words(claim));
    sayAge(f, now);
  }
  function sayAge(f, now) {
    const { kind, at } = f.claim;
    if (kind === "unknown") say(f.age, W.silent(at, now));
    else say(f.age, at ? W.ago(at, now) : "");
  }

  /* --- a station's row --- */
  function row(station, list, staff, now) {
    const li = make("li", "grid st", list), name = make("div", "n", li), r = { li };
    r.icon = icon("b-unknown", name);
    const words = make("div", "", name);
    r.name = make("b", "", words);
    words.append(" ");
    r.number = make("span", "age", words);
    r.nameCell = name;
    const state = make("div", "wd", li);
    r.word = make("span", "w", state);
    r.note = make("span", "age", state);
    r.facts = FACTS.map(([key]) => factCell(key, li));
    if (staff) r.alert = alertCell(li);
    station.row = r;
    sayRow(station, now);
  }
  function sayRow(station, now) {
    const r = station.row, s = station.s, v = station.view;
    point(r.icon, iconOf(v.state));
    say(r.name, (W.english() && s.name_en) || s.name);
    say(r.number, W.text("number", { n: s.number }));
    dress(r.word, "w " + v.state);
    say(r.word, W.text(v.state));
    say(r.note, W.note(station, now));
    r.facts.forEach((f, i) => sayFact(f, v[f.key], FACTS[i][1], now));
    if (r.alert) sayAlert(r.alert, v.alerts.open, v.alerts.worst, s.alerts ? firstAlert(v.alerts) : "–");
    if (s.door && !r.door) {
      r.door = make("a", "go", r.nameCell);
      icon("door", r.door, "i");
      r.door.append(make("span"));
    } else if (!s.door && r.door) { r.door.remove(); r.door = null; }
    r.li.classList.toggle("doored", !!r.door);
    if (r.door) {
      r.door.href = "/d/" + encodeURIComponent(s.door);
      say(r.door.lastChild, W.text("door"));
    }
  }
  function firstAlert(alerts) {
    const first = W.english() ? alerts.first_en : alerts.first;
    if (!first) return null;
    return alerts.open > 1 ? W.text("alertFirst", { first, n: alerts.open }) : first;
  }
  function alertCell(parent) {
    const cell = make("span", "al no", parent);
    return { cell, use: icon("s-t", cell), worst: make("span", "sr", cell), words: make("span", "", cell) };
  }
  function sayAlert(a, open, worst, words) {
    dress(a.cell, open ? "al" : "al no");
    a.use.parentNode.toggleAttribute("hidden", !open);
    point(a.use, "s-" + (MARK[worst] || "t"));
    say(a.worst, open && worst in MARK ? W.text(worst) + " " : "");
    say(a.words, !open ? words || W.text("none") : words || (open === 1 ? W.text("alert1") : W.text("alertsN", { n: open })));
  }

  W.draw = { FACTS, make, icon, say, dress, iconOf, batteriesWords, factCell, sayAge, alertCell, sayAlert, row, sayRow };
})(Waystation);
