/* What is known about every station, what it is worth by now, and the totals of each county. */
"use strict";
(function (W) {
  const STATES = ["open", "plan", "closing", "full", "closed", "out", "safety", "unknown"];
  const SEVERITIES = ["emergency", "major", "minor", "info"];
  const DRINKABLE = { hot: 1, ok: 1, low: 1 };
  const WITHOUT_SEATS = { closed: 1, out: 1, safety: 1 };
  const CITIES = {
    3301: ["杭州", "Hangzhou"], 3302: ["宁波", "Ningbo"], 3303: ["温州", "Wenzhou"], 3304: ["嘉兴", "Jiaxing"],
    3305: ["湖州", "Huzhou"], 3306: ["绍兴", "Shaoxing"], 3307: ["金华", "Jinhua"], 3308: ["衢州", "Quzhou"],
    3309: ["舟山", "Zhoushan"], 3310: ["台州", "Taizhou"], 3311: ["丽水", "Lishui"],
  };
  W.STATES = STATES;
  W.SEVERITIES = SEVERITIES;
  W.CITIES = CITIES;

  const zeros = (names) => names.reduce((all, name) => ((all[name] = 0), all), {});
  const nothing = () => ({
    stations: 0, equipped: 0, states: zeros(STATES), seats: 0, reporting: 0, uncounted: 0, batteries: 0, cabinets: 0, watered: 0, taps: 0, silentWater: 0, silentSeats: 0, silentBatteries: 0,
    watched: 0, alerts: 0, worst: zeros(SEVERITIES),
  });

  /** A claim as it stands at `now`: {kind, n, at}; kind is number, word, unknown, absent or apart. */
  function claim(told, now, name, inside, absent) {
    if (!inside) return { kind: "apart" };
    if (!told || told.level === "none") return { kind: "absent", word: absent };
    const at = W.moment(told.as_of), until = W.moment(told.valid_until), n = told[name];
    const known = told.level !== "unknown" && (n != null || (told.level && told.level !== "unknown"));
    const old = until !== null && now > until;
    if (!known || old) return { kind: "unknown", at, was: old && known ? { n, level: told.level } : null };
    return n != null ? { kind: "number", n, at } : { kind: "word", word: told.level === "full" ? "none" : told.level, at };
  }

  function weigh(station, now) {
    const told = station.s.availability, until = W.moment(told.valid_until);
    let state = STATES.indexOf(told.state) < 0 ? "unknown" : told.state;
    /* An alarm and a closed-down station do not lapse by being old; everything else does. */
    const lapsed = until !== null && now > until && state !== "safety" && state !== "out";
    if (lapsed) state = "unknown";
    const inside = !WITHOUT_SEATS[state], alerts = station.s.alerts || { open: 0 };
    const seats = claim(told.seats, now, "free", inside, "noSensor");
    return {
      state, was: lapsed && told.state !== "unknown" ? told.state : null, seats, alerts,
      water: claim(told.water, now, "", inside, "noTap"),
      batteries: claim(told.batteries, now, "full", inside, "noCabinet"),
    };
  }

  /** The next moment at which `weigh` would say something else. */
  function lapsesAt(told, now) {
    let next = Infinity;
    for (const part of [told, told.air, told.seats, told.water, told.batteries]) {
      const until = part && W.moment(part.valid_until);
      if (until && until >= now && until < next) next = until;
    }
    return next;
  }

  function add(total, station, sign) {
    const v = station.view;
    total.stations += sign;
    if (station.s.equipped) total.equipped += sign;
    total.states[v.state] += sign;
    if (v.seats.kind === "number") total.seats += sign * v.seats.n;
    if (v.seats.kind === "word" && v.seats.word !== "none") total.uncounted += sign;
    if (v.seats.kind === "number" || v.seats.kind === "word") total.reporting += sign;
    if (v.seats.kind === "unknown") total.silentSeats += sign;
    if (v.water.kind === "unknown") total.silentWater += sign;
    if (v.water.kind === "word") {
      total.taps += sign;
      if (DRINKABLE[v.water.word]) total.watered += sign;
    }
    if (v.batteries.kind === "unknown") total.silentBatteries += sign;
    if (v.batteries.kind === "number") {
      total.batteries += sign * v.batteries.n;
      total.cabinets += sign;
    }
    if (station.s.alerts) total.watched += sign;
    if (v.alerts.open) {
      total.alerts += sign * v.alerts.open;
      if (v.alerts.worst in total.worst) total.worst[v.alerts.worst] += sign;
    }
  }

  /** Stations by id and counties by adcode; `touched` is called for each station that now reads differently. */
  W.Stations = function (touched) {
    const model = { stations: new Map(), counties: new Map(), staff: false };

    function county(adcode) {
      let found = model.counties.get(adcode);
      if (!found) {
        found = { adcode, name: adcode, name_en: adcode, city: adcode.slice(0, 4), stations: new Map(), total: nothing() };
        model.counties.set(adcode, found);
      }
      return found;
    }

    function put(s, now) {
      let station = model.stations.get(s.id);
      if (station) add(station.county.total, station, -1);
      if (!station || station.county.adcode !== s.adcode) {
        if (station) station.county.stations.delete(s.id);
        station = { id: s.id, county: county(s.adcode) };
        model.stations.set(s.id, station);
        station.county.stations.set(s.id, station);
      }
      station.s = s;
      station.view = weigh(station, now);
      station.lapsesAt = lapsesAt(s.availability, now);
      add(station.county.total, station, 1);
      if ("alerts" in s) model.staff = true;
      touched(station);
    }

    model.change = (list, now) => list.forEach((s) => put(s, now));

    /** Everything anew; stations that are no longer told are dropped and returned. */
    model.snapshot = function (data, now) {
      data.stations.sort((a, b) => (a.id < b.id ? -1 : 1));
      const kept = new Set(data.stations.map((s) => s.id)), gone = [];
      model.staff = false;
      data.counties.forEach((c) => Object.assign(county(c.adcode), { name: c.name, name_en: c.name_en || c.name }));
      model.stations.forEach((station, id) => {
        if (kept.has(id)) return;
        add(station.county.total, station, -1);
        station.county.stations.delete(id);
        model.stations.delete(id);
        gone.push(station);
      });
      model.change(data.stations, now);
      return gone;
    };

    /** Let claims age: stations that said something with an end before `now` are weighed again. */
    model.lapse = function (now) {
      model.stations.forEach((station) => {
        if (now <= station.lapsesAt) return;
        add(station.county.total, station, -1);
        station.view = weigh(station, now);
        station.lapsesAt = lapsesAt(station.s.availability, now);
        add(station.county.total, station, 1);
        touched(station);
      });
    };

    /** Counties with stations in `area` (a prefix of the adcode), in the order of their codes. */
    model.inside = (area) => Array.from(model.counties.values())
      .filter((c) => c.adcode.startsWith(area) && c.total.stations > 0)
      .sort((a, b) => (a.adcode < b.adcode ? -1 : 1));

    model.total = function (counties) {
      const sum = nothing();
      for (const { total } of counties) {
        for (const name of ["stations", "equipped", "alerts"]) sum[name] += total[name];
        for (const name of STATES) sum.states[name] += total.states[name];
      }
      return sum;
    };
    return model;
  };

  /** The second line under a station's state. */
  W.note = function (station, now) {
    const told = station.s.availability, v = station.view, parts = [];
    const until = W.moment(told.until), opens = W.moment(told.opens), people = told.people;
    if (v.state === "safety") return W.text("stayAway");
    if (v.state === "unknown") {
      if (!v.was) return told.reason === "hours" ? W.why("hours") : W.text("mayBeOpen");
      const last = [W.text(v.was)];
      if (v.seats.was && v.seats.was.n) last.push(W.text("seatsWas", { n: v.seats.was.n }));
      return W.text("then", { t: W.when(W.moment(told.as_of) || now, now), words: last.join(W.english() ? ", " : " · ") });
    }
    if (v.state === "closed") return opens ? W.text("opens", { t: W.when(opens, now) }) : W.why(told.reason);
    if (told.reason) parts.push(W.why(told.reason));
    if (v.state === "out") { if (until) parts.push(W.text("until", { t: W.when(until, now) })); }
    else if (until) parts.push(W.text("closes", { t: W.when(until, now) }));
    else if (station.s.hours === "24/7") parts.push(W.text("allDay"));
    const air = told.air;
    if (air && air.temp_c != null && !(W.moment(air.valid_until) < now)) parts.push(W.text("airNow", { n: air.temp_c }));
    if (people && people.about != null && !(W.moment(people.valid_until) < now)) parts.push(people.about ? W.text("about", { n: people.about }) : W.text("nobody"));
    return parts.join(" · ");
  };
})(Waystation);
