"use strict";
// Draws the charts of a report, and makes list and picture of a room's life show each other's entries.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const time = (ms) => ms / data.unit.ms;
  const end = time(data.duration_ms);
  const color = (name) => `var(--${name ?? "text"})`;
  const grouped = d3.format(",");
  const counts = (value) => (Number.isInteger(value) ? grouped(value) : "");
  const narrow = (width) => width < 520;

  // ---- rotations over time ----

  function rotations(width) {
    const { rows, interval_ms } = data.rotations;
    const bars = rows.flatMap(({ label, family, counts }) => {
      const most = Math.max(...counts);
      return counts.map((count, place) => ({ label, family, count, share: count / most, place }));
    }).filter(({ count }) => count > 0);
    return Plot.plot({
      width,
      height: rows.length * 62 + 46,
      marginLeft: 12,
      marginRight: 12,
      marginTop: 4,
      marginBottom: 40,
      x: { domain: [0, end], label: `${data.unit.name} →`, ticks: narrow(width) ? 5 : 10, tickFormat: counts, nice: false },
      y: { domain: [0, 1.75], axis: null },
      fy: { domain: rows.map(({ label }) => label), axis: null, padding: 0 },
      marks: [
        Plot.text(rows, { fy: "label", text: "label", frameAnchor: "top-left", dy: 7, lineAnchor: "top", fontSize: 13, className: "labels" }),
        Plot.ruleY(rows, { fy: "label", y: 0, stroke: color("line") }),
        Plot.rectY(bars, {
          fy: "label",
          x1: ({ place }) => time(place * interval_ms),
          x2: ({ place }) => time(Math.min((place + 1) * interval_ms, data.duration_ms)),
          y: "share",
          insetLeft: 0.5,
          insetRight: 0.5,
          fill: ({ family }) => color(family),
          className: "bars",
        }),
        Plot.tip(bars, Plot.pointerX({
          fy: "label",
          x: ({ place }) => time((place + 0.5) * interval_ms),
          y: "share",
          title: ({ count }) => grouped(count),
          className: "tip",
          ariaHidden: "true",
          fontSize: 13,
        })),
      ],
    });
  }

  // ---- sessions against their limits ----

  function limitUse(name, width) {
    const { twentieths, over } = data.limits[name];
    const bars = twentieths.map((count, part) => ({ from: part * 5, until: part * 5 + 5, count }))
      .concat({ from: 100, until: 105, count: over, over: true })
      .filter(({ count }) => count > 0);
    return Plot.plot({
      width,
      height: 260,
      marginLeft: 52,
      marginRight: 16,
      marginTop: 26,
      marginBottom: 40,
      x: { domain: [0, 108], ticks: [0, 25, 50, 75, 100], tickFormat: (part) => `${part} %`, label: "used of the limit →" },
      y: { label: "↑ sessions", tickFormat: counts, ticks: 5, nice: true, grid: true },
      marks: [
        Plot.ruleY([0], { stroke: color("line") }),
        Plot.rectY(bars, {
          x1: "from",
          x2: "until",
          y: "count",
          inset: 1,
          fill: ({ over }) => color(over ? "violation" : "limit"),
          className: "bars",
        }),
        Plot.ruleX([100], { stroke: color("text"), strokeWidth: 2, strokeDasharray: "5 4", className: "limit" }),
        Plot.text([100], { x: (x) => x, text: () => "limit", frameAnchor: "top", dy: -16, lineAnchor: "top", fontWeight: 600, fontSize: 13 }),
        Plot.tip(bars, Plot.pointerX({
          x: ({ from }) => from + 2.5,
          y: "count",
          title: ({ from, until, count, over }) => `${over ? "beyond the limit" : `${from} to ${until} %`}: ${grouped(count)}`,
          className: "tip",
          ariaHidden: "true",
          fontSize: 13,
        })),
      ],
    });
  }

  // ---- a room's life ----

  const sides = { marginLeft: 46, marginRight: 14 };
  const whenOff = () => data.life.off.map(({ from, until }) => ({ from: time(from), until: time(until) }));
  const whenLeftOut = () => (data.life.gap ? [{ from: time(data.life.gap.from), until: time(data.life.gap.until) }] : []);
  const shades = () => [
    Plot.rectX(whenOff(), { x1: "from", x2: "until", fill: color("shade"), className: "off" }),
    Plot.rectX(whenLeftOut(), { x1: "from", x2: "until", fill: color("shade"), fillOpacity: 0.6, className: "left-out" }),
  ];

  // The limit as a line of steps, to the end of the run; broken where nothing is in force.
  function limitLine(top) {
    const { limits } = data.life;
    return limits.flatMap(({ at, messages }, place) => {
      const until = limits[place + 1]?.at ?? data.duration_ms;
      const y = messages === null || messages > top ? NaN : messages;
      return [{ x: time(at), y }, { x: time(until), y }];
    });
  }

  function lifeSessions(width) {
    const { sessions, limits } = data.life;
    const most = Math.max(1, ...sessions.map(({ messages }) => messages));
    const greatest = Math.max(0, ...limits.map(({ messages }) => messages ?? 0));
    const top = greatest <= 6 * most ? Math.max(most, greatest) : most;
    const above = limits.filter(({ messages }) => messages > top);
    return Plot.plot({
      width,
      height: 220,
      ...sides,
      marginTop: 24,
      marginBottom: 8,
      x: { domain: [0, end], axis: null },
      y: { domain: [0, top * 1.06], label: "↑ messages a session carried", ticks: 5, tickFormat: counts, grid: true },
      marks: [
        ...shades(),
        Plot.ruleY([0], { stroke: color("line") }),
        Plot.rect(sessions, {
          x1: ({ from }) => time(from),
          x2: ({ until }) => time(until),
          y1: 0,
          y2: "messages",
          insetRight: sessions.length < width / 4 ? 1 : 0,
          fill: ({ family }) => color(family),
          className: "sessions",
        }),
        Plot.line(limitLine(top), { x: "x", y: "y", stroke: color("text"), strokeWidth: 2, strokeDasharray: "5 4", className: "limit" }),
        above.length === 0 ? null : Plot.text([above[0]], {
          text: ({ messages }) => `the limit, ${grouped(messages)}, is above this picture`,
          frameAnchor: "top-right",
          fontSize: 13,
        }),
      ],
    });
  }

  // Entries whose mark is `none` show as the end of a shaded time.
  const symbols = { full: d3.symbolCircle, open: d3.symbolCircle, cross: d3.symbolTimes };

  function lifeLanes(width) {
    const { lanes, entries } = data.life;
    const marks = entries.flatMap((entry, place) => (entry === null ? [] : [{ ...entry, place, x: time(entry.at) }]));
    const shown = lanes.filter(({ name }) => marks.some(({ lane }) => lane === name));
    const kind = (wanted) => marks.filter(({ mark }) => mark === wanted);
    const of = (wanted, style) => Plot.dot(kind(wanted), {
      fy: "lane",
      x: "x",
      y: 0,
      symbol: { draw: (context, size) => symbols[wanted].draw(context, size) },
      className: wanted,
      ...style,
    });
    return Plot.plot({
      width,
      height: shown.length * 50 + 44,
      ...sides,
      marginTop: 2,
      marginBottom: 40,
      x: { domain: [0, end], label: `${data.unit.name} →`, ticks: narrow(width) ? 5 : 10, tickFormat: counts },
      y: { domain: [-1, 2.2], axis: null },
      fy: { domain: shown.map(({ name }) => name), axis: null, padding: 0 },
      marks: [
        ...shades(),
        Plot.text(shown, { fy: "name", text: "label", frameAnchor: "top-left", dy: 6, dx: 2, lineAnchor: "top", fontSize: 13, className: "labels" }),
        Plot.ruleY(shown, { fy: "name", y: 0, stroke: color("line") }),
        of("full", { r: 4, fill: ({ family }) => color(family), stroke: color("page"), strokeWidth: 0.75 }),
        of("open", { r: 4, fill: color("page"), stroke: ({ family }) => color(family), strokeWidth: 1.75 }),
        of("cross", { r: 4.5, stroke: ({ family }) => color(family), strokeWidth: 2 }),
      ],
    });
  }

  // ---- wear ----

  function wear(width) {
    return Plot.plot({
      width,
      height: data.wear.length * 30 + 3 * 30 + 24,
      marginLeft: narrow(width) ? 92 : 120,
      marginRight: 76,
      marginTop: 28,
      marginBottom: 4,
      x: { domain: [0, 1], axis: null },
      y: { label: null, tickSize: 0, domain: [...new Set(data.wear.map(({ ahead }) => ahead))], padding: 0.25 },
      fy: { axis: null, domain: [...new Set(data.wear.map(({ measure }) => measure))], padding: 0.32 },
      marks: [
        Plot.text(d3.groups(data.wear, ({ measure }) => measure), {
          fy: ([measure]) => measure, text: ([measure]) => measure, frameAnchor: "top-left", dy: -18, fontSize: 13, fontWeight: 600,
        }),
        Plot.barX(data.wear, {
          fy: "measure",
          y: "ahead",
          x: ({ measure, value }) => value / Math.max(1, ...data.wear.filter((other) => other.measure === measure).map((other) => other.value)),
          fill: ({ chosen }) => color(chosen ? "limit" : "fresh"),
          className: "bars",
        }),
        Plot.text(data.wear, {
          fy: "measure",
          y: "ahead",
          x: ({ measure, value }) => value / Math.max(1, ...data.wear.filter((other) => other.measure === measure).map((other) => other.value)),
          text: "text",
          textAnchor: "start",
          dx: 6,
          fontSize: 13,
        }),
      ],
    });
  }

  // ---- all of them ----

  const charts = {
    rotations,
    "limit-messages": (width) => limitUse("messages", width),
    "limit-age": (width) => limitUse("age", width),
    "life-sessions": lifeSessions,
    "life-lanes": lifeLanes,
    wear,
  };
  const drawn = new Map();
  const list = document.getElementById("entries");
  const items = list ? [...list.children] : [];
  let chosen = -1;

  function draw(place) {
    const width = Math.floor(place.clientWidth);
    if (width === 0 || drawn.get(place.id)?.width === width) return;
    const plot = charts[place.id](width);
    plot.style.fontSize = "13px";
    plot.style.background = "none";
    plot.setAttribute("role", "img");
    plot.setAttribute("aria-labelledby", place.dataset.caption);
    // It is one picture, whose parts have no names of their own; the tables and the list have what is in it.
    for (const part of plot.querySelectorAll("[aria-label]")) part.removeAttribute("aria-label");
    place.replaceChildren(plot);
    drawn.set(place.id, { width, plot });
    mark();
  }

  document.documentElement.classList.add("drawn");
  for (const details of document.querySelectorAll("figure details")) details.open = false;
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("figure details")) details.open = true;
  });
  const resized = new ResizeObserver((changes) => changes.forEach(({ target }) => draw(target)));
  for (const place of document.querySelectorAll(".drawing")) {
    draw(place);
    resized.observe(place);
  }

  // ---- list and picture of a life ----

  // A line through both pictures where the chosen entry is.
  function mark() {
    for (const id of ["life-sessions", "life-lanes"]) {
      const plot = drawn.get(id)?.plot;
      const entry = data.life?.entries[chosen];
      if (!plot) continue;
      plot.querySelector(".chosen")?.remove();
      if (!entry) continue;
      const x = plot.scale("x").apply(time(entry.at));
      d3.select(plot).append("line").attr("class", "chosen").attr("x1", x).attr("x2", x)
        .attr("y1", 0).attr("y2", plot.getAttribute("height")).attr("stroke", "var(--focus)").attr("stroke-width", 2);
    }
  }

  function choose(place, focus) {
    place = Math.max(0, Math.min(items.length - 1, place));
    if (chosen >= 0) {
      items[chosen].tabIndex = -1;
      items[chosen].setAttribute("aria-selected", "false");
    }
    chosen = place;
    items[place].tabIndex = 0;
    items[place].setAttribute("aria-selected", "true");
    if (focus) items[place].focus({ preventScroll: true });
    const { offsetTop, offsetHeight } = items[place];
    const above = offsetTop - list.offsetTop;
    if (above < list.scrollTop) list.scrollTop = above;
    else if (above + offsetHeight > list.scrollTop + list.clientHeight) list.scrollTop = above + offsetHeight - list.clientHeight;
    mark();
  }

  if (list) {
    list.setAttribute("role", "listbox");
    items.forEach((item, place) => {
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", "false");
      item.tabIndex = place === 0 ? 0 : -1;
      item.addEventListener("click", () => choose(place, true));
      item.addEventListener("focus", () => { if (chosen !== place) choose(place, false); });
    });
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };
    list.addEventListener("keydown", (event) => {
      const step = steps[event.key];
      if (step === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      choose(Math.max(chosen, 0) + step, true);
      items[chosen].scrollIntoView({ block: "nearest" });
    });
    for (const id of ["life-sessions", "life-lanes"]) {
      document.getElementById(id).addEventListener("click", (event) => {
        const { plot } = drawn.get(id);
        const box = plot.getBoundingClientRect();
        const at = plot.scale("x").invert((event.clientX - box.left) * plot.getAttribute("width") / box.width);
        const near = d3.minIndex(data.life.entries, (entry) => (entry === null ? NaN : Math.abs(time(entry.at) - at)));
        if (near >= 0) choose(near, true);
      });
    }
  }
})();
