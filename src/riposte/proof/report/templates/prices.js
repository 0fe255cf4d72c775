// Trades on the price: candles when few bars are in view, a high-low band when many; regimes below.

const CANDLES = 420; // bars in view up to which candles are drawn
const BUCKETS = 700; // stretches a longer view is cut into
const MARKS = 900; // trades marked at most

// Bars come as differences: open from the last close, the rest from open and close, in ticks.
function unpackBars(packed) {
  const n = packed.time.length;
  const scale = 10 ** -packed.decimals;
  const bars = { time: new Float64Array(n), open: new Float64Array(n), high: new Float64Array(n), low: new Float64Array(n), close: new Float64Array(n), regime: packed.regime };
  let time = 0;
  let close = 0;
  for (let i = 0; i < n; i += 1) {
    time += packed.time[i];
    const open = close + packed.open[i];
    close = open + packed.close[i];
    bars.time[i] = minutes(time);
    bars.open[i] = open * scale;
    bars.close[i] = close * scale;
    bars.high[i] = (Math.max(open, close) + packed.high[i]) * scale;
    bars.low[i] = (Math.min(open, close) - packed.low[i]) * scale;
  }
  return bars;
}

function firstAtOrAfter(times, value) {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function priceChart(data) {
  const place = document.getElementById("price-chart");
  const note = document.getElementById("price-note");
  const whole = data.range.map(minutes);
  const symbols = data.symbols.map((packed) => Object.assign({}, packed, { bars: null, barMs: minutes(packed.minutes) }));
  const state = { at: 0, range: whole.slice(), trade: -1 };
  const ribbon = () => style("--ribbon").split(",").map((colour) => colour.trim());

  function current() {
    const symbol = symbols[state.at];
    if (!symbol.bars) symbol.bars = unpackBars(symbol);
    return symbol;
  }

  function buckets(bars, from, to) {
    const step = Math.max(1, Math.ceil((to - from) / BUCKETS));
    const out = { time: [], low: [], high: [], close: [], regime: [] };
    for (let start = from; start < to; start += step) {
      const end = Math.min(start + step, to);
      let low = Infinity;
      let high = -Infinity;
      const votes = {};
      for (let i = start; i < end; i += 1) {
        low = Math.min(low, bars.low[i]);
        high = Math.max(high, bars.high[i]);
        votes[bars.regime[i]] = (votes[bars.regime[i]] || 0) + 1;
      }
      out.time.push(bars.time[start]);
      out.low.push(low);
      out.high.push(high);
      out.close.push(bars.close[end - 1]);
      out.regime.push(Number(Object.keys(votes).reduce((a, b) => (votes[b] > votes[a] ? b : a))));
    }
    return out;
  }

  function priceTraces(symbol, from, to, seen) {
    const bars = symbol.bars;
    if (to - from <= CANDLES) {
      const cut = (name) => Array.from(bars[name].slice(from, to));
      return [{
        type: "candlestick", x: cut("time"), open: cut("open"), high: cut("high"), low: cut("low"), close: cut("close"), name: "",
        increasing: { line: { color: style("--soft"), width: 1 }, fillcolor: style("--paper") },
        decreasing: { line: { color: style("--soft"), width: 1 }, fillcolor: style("--soft") }, hoverinfo: "x+y", xperiodalignment: "start",
      }];
    }
    const band = { type: "scatter", mode: "lines", x: seen.time, line: { width: 0 }, hoverinfo: "skip" };
    return [
      Object.assign({}, band, { y: seen.low }),
      Object.assign({}, band, { y: seen.high, fill: "tonexty", fillcolor: style("--line") }),
      { type: "scatter", mode: "lines", x: seen.time, y: seen.close, line: { color: style("--soft"), width: 1.1 }, hovertemplate: `%{y:,.${symbol.decimals}f}<extra></extra>` },
    ];
  }

  function tradeTraces(symbol, close) {
    const t = symbol.trades;
    let inside = [];
    for (let i = 0; i < t.opened.length; i += 1) {
      if (minutes(t.closed[i]) >= state.range[0] && minutes(t.opened[i]) <= state.range[1]) inside.push(i);
    }
    const all = inside.length;
    if (all > MARKS) {
      inside = inside.sort((a, b) => Math.abs(t.net[b]) - Math.abs(t.net[a])).slice(0, MARKS).sort((a, b) => a - b);
    }
    const traces = [];
    const digits = symbol.decimals;
    const price = (v) => v.toLocaleString("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits });
    [["Won", "--gain", (i) => t.net[i] > 0], ["Lost", "--loss", (i) => t.net[i] <= 0]].forEach(([name, colour, belongs]) => {
      const mine = inside.filter(belongs);
      const text = mine.map((i) =>
        `<b>${t.long[i] ? "Long" : "Short"} ${signed(t.net[i], 2)} USDT</b> (${signed(t.share[i] * 100, 2)} % of equity)<br>` +
        `in ${stamp(t.opened[i])} at ${price(t.entry[i])}<br>out ${stamp(t.closed[i])} at ${price(t.exit[i])}<br>` +
        `${plainText(t.why[i])}; confidence ${(t.confidence[i] * 100).toFixed(0)} %`);
      if (close) {
        traces.push({
          type: "scatter", mode: "lines", hoverinfo: "skip", line: { color: style(colour), width: 1.6 },
          x: mine.flatMap((i) => [minutes(t.opened[i]), minutes(t.closed[i]), null]), y: mine.flatMap((i) => [t.entry[i], t.exit[i], null]),
        });
        traces.push({
          type: "scatter", mode: "markers", x: mine.map((i) => minutes(t.closed[i])), y: mine.map((i) => t.exit[i]), text, hovertemplate: "%{text}<extra></extra>",
          marker: { symbol: "circle-open", size: 8, color: style(colour), line: { width: 2, color: style(colour) } },
        });
      }
      traces.push({
        type: "scatter", mode: "markers", name, x: mine.map((i) => minutes(t.opened[i])), y: mine.map((i) => t.entry[i]), text, hovertemplate: "%{text}<extra></extra>",
        marker: {
          symbol: mine.map((i) => (t.long[i] ? "triangle-up" : "triangle-down")), size: close ? 11 : 6, color: style(colour),
          opacity: close ? 1 : 0.75, line: { width: close ? 1 : 0, color: style("--paper") },
        },
      });
    });
    return { traces, all, shown: inside.length };
  }

  function ribbonTrace(seen, end) {
    const colours = ribbon();
    const scale = [];
    colours.forEach((colour, i) => scale.push([i / colours.length, colour], [(i + 1) / colours.length, colour]));
    const text = seen.regime.map((r) => plainText(data.regimes[r] || "Unknown"));
    return {
      type: "heatmap", yaxis: "y2", x: seen.time.concat([end]), y: [0, 1], z: [seen.regime.map((r) => (r < 0 ? null : r))], zmin: -0.5, zmax: colours.length - 0.5,
      colorscale: scale, showscale: false, text: [text], hovertemplate: "%{text}<extra></extra>", hoverongaps: false,
    };
  }

  function draw() {
    const symbol = current();
    const bars = symbol.bars;
    const from = Math.max(0, firstAtOrAfter(bars.time, state.range[0] - symbol.barMs + 1));
    const to = Math.min(bars.time.length, firstAtOrAfter(bars.time, state.range[1] + 1));
    const seen = buckets(bars, from, to);
    const close = to - from <= CANDLES;
    const marks = tradeTraces(symbol, close);
    const traces = [...priceTraces(symbol, from, to, seen), ...marks.traces];
    const end = to > from ? bars.time[to - 1] + symbol.barMs : state.range[1];
    if (seen.time.length) traces.push(ribbonTrace(seen, end));
    let low = seen.low.reduce((a, b) => Math.min(a, b), Infinity);
    let high = seen.high.reduce((a, b) => Math.max(a, b), -Infinity);
    if (!Number.isFinite(low)) [low, high] = [0, 1];
    const room = (high - low) * 0.06 || high * 0.01;
    const layout = baseLayout({
      margin: { l: narrow() ? 56 : 74, r: 12, t: 22, b: 30 }, hovermode: "closest",
      xaxis: axis({ type: "date", range: state.range.slice(), fixedrange: touch(), rangeslider: { visible: false }, anchor: "y2", hoverformat: "%Y-%m-%d %H:%M" }),
      yaxis: axis({ domain: [0.1, 1], range: [low - room, high + room], tickformat: ",", zeroline: false, nticks: 8 }),
      yaxis2: axis({ domain: [0, 0.06], range: [0, 1], visible: false }),
      annotations: [{ xref: "paper", yref: "paper", x: 0, y: 1.002, xanchor: "left", yanchor: "bottom", showarrow: false, text: `${plainText(symbol.name)}, USDT`, font: { color: style("--soft"), size: 12 } }],
    });
    Plotly.react(place, traces, layout, plotConfig);
    tell(symbol, close, marks);
  }

  function tell(symbol, close, marks) {
    const parts = [
      close ? `${symbol.bar} candles, hollow when the price rose.` : "Line: closes. Band: lowest to highest price.",
      "Triangles: entries, up for long, down for short; blue won, orange lost.",
    ];
    if (close) parts.push("Rings: exits.");
    if (marks.shown < marks.all) parts.push(`The ${marks.shown.toLocaleString("en-GB")} largest results of ${marks.all.toLocaleString("en-GB")} trades in view; zoom in for all.`);
    parts.push("Bottom strip: the regime the model saw; where it is empty, none was known.");
    note.textContent = parts.join(" ");
  }

  function zoom(range) {
    const least = 8 * current().barMs;
    let [low, high] = range;
    if (high - low < least) [low, high] = [(low + high - least) / 2, (low + high + least) / 2];
    state.range = [Math.max(low, whole[0]), Math.min(high, whole[1])];
    const length = state.range[1] - state.range[0];
    document.querySelectorAll("[data-days]").forEach((button) => {
      const days = Number(button.dataset.days);
      const pressed = days ? Math.abs(length - days * 864e5) < 1000 : length >= whole[1] - whole[0] - 1000;
      button.setAttribute("aria-pressed", String(pressed));
    });
    draw();
  }

  function showTrade(at) {
    const symbol = current();
    const t = symbol.trades;
    if (!t.opened.length) return;
    state.trade = Math.max(0, Math.min(t.opened.length - 1, at));
    const low = minutes(t.opened[state.trade]);
    const high = minutes(t.closed[state.trade]);
    const room = Math.max(1.5 * (high - low), 30 * symbol.barMs);
    zoom([low - room, high + room]);
  }

  function goToTrade(which) {
    const net = current().trades.net;
    const middle = (state.range[0] + state.range[1]) / 2;
    const extreme = (better) => net.reduce((best, value, i) => (better(value, net[best]) ? i : best), 0);
    if (which === "best") showTrade(extreme((a, b) => a > b));
    else if (which === "worst") showTrade(extreme((a, b) => a < b));
    else if (state.trade >= 0) showTrade(state.trade + Number(which));
    else showTrade(firstAtOrAfter(current().trades.opened, middle / 60000) + (which === "-1" ? -1 : 0));
  }

  function controls() {
    const group = document.getElementById("price-symbols");
    symbols.forEach((symbol, at) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = symbol.name;
      button.setAttribute("aria-pressed", String(at === 0));
      button.addEventListener("click", () => {
        state.at = at;
        state.trade = -1;
        [...group.children].forEach((other, i) => other.setAttribute("aria-pressed", String(i === at)));
        draw();
      });
      group.append(button);
    });
    document.querySelectorAll("[data-days]").forEach((button) =>
      button.addEventListener("click", () => {
        const days = Number(button.dataset.days);
        state.trade = -1;
        const high = Math.min(state.range[1], whole[1]);
        zoom(days ? (high - days * 864e5 < whole[0] ? [whole[0], whole[0] + days * 864e5] : [high - days * 864e5, high]) : whole);
      }));
    document.querySelectorAll("[data-move]").forEach((button) =>
      button.addEventListener("click", () => {
        const length = state.range[1] - state.range[0];
        const low = Math.max(whole[0], Math.min(whole[1] - length, state.range[0] + Number(button.dataset.move) * length * 0.6));
        state.trade = -1;
        zoom([low, low + length]);
      }));
    document.querySelectorAll("[data-trade]").forEach((button) => button.addEventListener("click", () => goToTrade(button.dataset.trade)));
    const key = document.getElementById("regime-key");
    data.regimes.forEach((name, i) => {
      const item = document.createElement("span");
      const swatch = document.createElement("i");
      swatch.dataset.regime = String(i);
      item.append(swatch, name);
      key.append(item);
    });
  }

  function paint() {
    const colours = ribbon();
    document.querySelectorAll("[data-regime]").forEach((swatch) => { swatch.style.background = colours[Number(swatch.dataset.regime)]; });
    draw();
  }

  controls();
  place.replaceChildren();
  paint();
  place.on("plotly_relayout", (change) => {
    const low = change["xaxis.range[0]"];
    if (low !== undefined) {
      state.trade = -1;
      zoom([low, change["xaxis.range[1]"]].map(asTime));
    }
  });
  place.on("plotly_doubleclick", () => zoom(whole));
  return paint;
}
