/* The live feed: connects, notices silence, comes back, and knows the server's time. */
"use strict";
(function (W) {
  const SILENT = 12000; // two beats and a bit: the connection is dead, whatever the browser thinks
  const FIRST = 60000; // the first snapshot of the whole province takes its time on a slow network
  const WAITS = [1000, 2000, 4000, 8000, 15000, 30000];

  /** on.snapshot, on.change, on.alert, on.beat take the data; on.state is called when `feed` changed. */
  W.Feed = function (url, on) {
    const feed = { connected: false, lostAt: null, newest: null, hubOk: true };
    let source = null, offset = 0, failures = 0, timer = 0, heardAt = Date.now(), greeted = false;

    /** The server's time in epoch milliseconds, as well as it can be known here. */
    feed.now = () => Date.now() + offset;

    function heard(data, first) {
      const sent = W.moment(data.now), behind = sent - Date.now();
      /* A message that was under way for long makes the server look slow: the fastest one is right. */
      if (sent && (first || behind > offset)) offset = behind;
      heardAt = Date.now();
      feed.newest = sent || feed.now();
      if (data.hub) feed.hubOk = data.hub.ok;
    }

    const silent = () => Date.now() - heardAt > (greeted ? SILENT : FIRST);

    function lost() {
      if (source) source.close();
      source = null;
      greeted = false;
      if (feed.connected || feed.lostAt === null) feed.lostAt = feed.newest || feed.now();
      feed.connected = false;
      const wait = WAITS[Math.min(failures++, WAITS.length - 1)];
      clearTimeout(timer);
      timer = setTimeout(open, wait * (0.8 + 0.4 * Math.random()));
      on.state();
    }

    function open() {
      clearTimeout(timer);
      if (source) source.close();
      heardAt = Date.now();
      greeted = false;
      const mine = source = new EventSource(url);
      const listen = (name, then) => mine.addEventListener(name, (event) => {
        if (mine !== source) return;
        const data = JSON.parse(event.data || "{}");
        heard(data, name === "snapshot");
        then(data);
      });
      listen("snapshot", (data) => {
        feed.connected = greeted = true;
        feed.lostAt = null;
        failures = 0;
        on.snapshot(data);
        on.state();
      });
      listen("change", on.change);
      listen("alert", on.alert);
      listen("beat", on.state);
      listen("resync", () => open());
      mine.onerror = () => { if (mine === source) lost(); };
    }

    feed.reconnect = function () { failures = 0; open(); };
    /** To be called every second. */
    feed.watch = function () { if (source && silent()) lost(); };
    addEventListener("online", () => { if (!feed.connected) feed.reconnect(); });
    addEventListener("offline", () => { if (feed.connected) lost(); });
    addEventListener("pagehide", () => { if (source) source.close(); source = null; feed.connected = false; });
    addEventListener("pageshow", (event) => { if (event.persisted) feed.reconnect(); });
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && silent()) feed.reconnect();
    });
    open();
    return feed;
  };
})(Waystation);
