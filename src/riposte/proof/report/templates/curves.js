// Equity beside the baselines, drawdown under it, and when the risk limits held trading back.

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const narrow = () => window.innerWidth < 720;
const touch = () => window.matchMedia("(pointer: coarse)").matches;
const plainText = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const minutes = (value) => value * 60000;
const signed = (value, digits) =>
  (value > 0 ? "+" : value < 0 ? "−" : "") +
  Math.abs(value).toLocaleString("en-GB", { minimumFractionDigits: digits, maximumFractionDigits: digits });

function axis(more) {
  return Object.assign(
    {
      gridcolor: style("--faint"), zerolinecolor: style("--soft"), linecolor: style("--line"),
      tickfont: { color: style("--soft"), size: 12 }, fixedrange: true, automargin: false,
    },
    more,
  );
}

function baseLayout(more) {
  return Object.assign(
    {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false,
      font: { family: getComputedStyle(document.body).fontFamily, color: style("--ink"), size: 12 },
      hoverlabel: { bgcolor: style("--raised"), bordercolor: style("--line"), font: { color: style("--ink") }, align: "left" },
      dragmode: touch() ? false : "zoom",
    },
    more,
  );
}

const plotConfig = { displayModeBar: false, responsive: true, doubleClick: false, showTips: false };

function equityChart(data) {
  const place = document.getElementById("equity-chart");
  const colours = ["--system", "--second", "--third", "--fourth", "--fifth"];
  const dashes = ["solid", "solid", "dot", "solid", "dash"];
  const whole = data.range.map(minutes);
  // A curve many times as wide as the system's would press the system's into a straight line.
  const width = (curve) => {
    const known = curve.equity.filter((value) => value !== null);
    return known.reduce((a, b) => Math.max(a, b), -Infinity) - known.reduce((a, b) => Math.min(a, b), Infinity);
  };
  const most = 12 * width(data.curves[0]);
  const shown = data.curves.map((curve, at) => at === 0 || most <= 0 || width(curve) <= most);
  const state = { log: false, shown, range: whole };
  const times = data.curves.map((curve) => curve.time.map(minutes));

  function visible(curve, at) {
    return curve.equity.filter((value, i) => value !== null && times[at][i] >= state.range[0] && times[at][i] <= state.range[1]);
  }

  function yRange() {
    const values = data.curves.flatMap((curve, at) => (state.shown[at] ? visible(curve, at) : []));
    if (!values.length) values.push(data.start);
    let low = values.reduce((a, b) => Math.min(a, b), Infinity);
    let high = values.reduce((a, b) => Math.max(a, b), -Infinity);
    if (state.log) {
      low = Math.log10(Math.max(low, data.start / 1000));
      high = Math.log10(Math.max(high, data.start / 1000));
    }
    const room = (high - low) * 0.05 || Math.abs(high) * 0.01 || 1;
    return [low - room, high + room];
  }

  function endLabels(range, height) {
    const labels = [];
    data.curves.forEach((curve, at) => {
      const last = curve.equity[curve.equity.length - 1];
      if (!state.shown[at] || last === null || (state.log && last <= 0)) return;
      const value = state.log ? Math.log10(last) : last;
      labels.push({ at, value, pixel: ((value - range[0]) / (range[1] - range[0])) * height });
    });
    labels.sort((a, b) => a.pixel - b.pixel);
    let floor = -Infinity;
    return labels.map((label) => {
      const put = Math.max(label.pixel, floor + 17);
      floor = put;
      const name = plainText(data.curves[label.at].name);
      return {
        xref: "paper", x: 1, xanchor: "left", xshift: 6, yref: "y", y: label.value, yshift: put - label.pixel,
        showarrow: false, text: label.at === 0 ? `<b>${name}</b>` : name, align: "left",
        font: { color: style(colours[label.at % colours.length]), size: 12 },
      };
    });
  }

  function draw() {
    const small = narrow();
    const range = yRange();
    const reasons = [...new Set(data.halts.map((halt) => halt.reason))];
    const traces = data.curves.map((curve, at) => ({
      type: "scatter", mode: "lines", x: times[at], y: curve.equity, name: plainText(curve.name), visible: state.shown[at],
      line: { color: style(colours[at % colours.length]), width: at === 0 ? 2.6 : 1.4, dash: dashes[at % dashes.length] },
      hovertemplate: "%{y:,.0f} USDT", connectgaps: false,
    }));
    traces.reverse(); // the system is drawn last, on top
    traces.push({
      type: "scatter", mode: "lines", x: data.drawdown.time.map(minutes), y: data.drawdown.value.map((v) => v * 100), yaxis: "y2",
      name: "Drawdown", fill: "tozeroy", line: { color: style("--loss"), width: 1 }, fillcolor: `rgba(${style("--loss-rgb")}, .22)`,
      hovertemplate: "%{y:.2f} %",
    });
    reasons.forEach((reason) => {
      const mine = data.halts.filter((halt) => halt.reason === reason);
      const start = mine.map((halt) => minutes(halt.from));
      traces.push({
        type: "bar", orientation: "h", yaxis: "y3", base: start, x: mine.map((halt) => Math.max(minutes(halt.to - halt.from), (whole[1] - whole[0]) / 900)),
        y: mine.map(() => plainText(reason)), width: 0.72, marker: { color: style("--loss"), line: { width: 0 } },
        hovertemplate: mine.map((halt) => `${plainText(reason)}: ${plainText(halt.state)}<br>${stamp(halt.from)} to ${stamp(halt.to)}<extra></extra>`),
      });
    });
    const strip = data.halts.length ? Math.min(0.05 * reasons.length, 0.16) : 0;
    const domain = [strip + (strip ? 0.06 : 0) + 0.2 + 0.04, 1];
    const margin = { l: small ? 50 : 74, r: small ? 12 : 168, t: 22, b: 30 };
    const height = (place.clientHeight - margin.t - margin.b) * (domain[1] - domain[0]);
    const heading = (text, y) => ({
      xref: "paper", yref: "paper", x: 0, y, xanchor: "left", yanchor: "bottom", showarrow: false, text,
      font: { color: style("--soft"), size: 12 },
    });
    const layout = baseLayout({
      margin, hovermode: "x unified", bargap: 0, barmode: "overlay",
      xaxis: axis({ type: "date", range: state.range, fixedrange: touch(), anchor: "free", position: 0, showspikes: false, hoverformat: "%Y-%m-%d %H:%M" }),
      yaxis: axis({ domain, type: state.log ? "log" : "linear", range, tickformat: ",.0f", nticks: 7, dtick: undefined }),
      yaxis2: axis({ domain: [domain[0] - 0.24 + 0.0, domain[0] - 0.05], rangemode: "tozero", ticksuffix: " %", nticks: 4 }),
      yaxis3: axis({
        domain: [0, Math.max(strip, 0.001)], type: "category", showgrid: false, visible: strip > 0,
        showticklabels: !small, side: "right", tickfont: { color: style("--soft"), size: 11 },
      }),
      annotations: [heading("Equity, USDT", domain[1] + 0.002), heading("Drawdown of the system", domain[0] - 0.05), ...(strip ? [heading("Trading restricted by", strip)] : []), ...(small ? [] : endLabels(range, height))],
    });
    Plotly.react(place, traces, layout, plotConfig);
  }

  function zoom(range) {
    state.range = [Math.max(range[0], whole[0]), Math.min(range[1], whole[1])];
    draw();
  }

  const chips = document.getElementById("equity-chips");
  data.curves.forEach((curve, at) => {
    const chip = document.createElement("button");
    const swatch = document.createElement("i");
    swatch.style.borderColor = `var(${colours[at % colours.length]})`;
    swatch.style.borderTopStyle = dashes[at % dashes.length] === "dot" ? "dotted" : "solid";
    const last = curve.equity[curve.equity.length - 1];
    chip.type = "button";
    chip.setAttribute("aria-pressed", String(state.shown[at]));
    chip.append(swatch, `${curve.name} ${last === null ? "" : signed((last / data.start - 1) * 100, 1) + " %"}`);
    chip.addEventListener("click", () => {
      state.shown[at] = !state.shown[at];
      chip.setAttribute("aria-pressed", String(state.shown[at]));
      draw();
    });
    chips.append(chip);
  });
  const absent = data.curves.filter((_curve, at) => !state.shown[at]).map((curve) => curve.name);
  if (absent.length) {
    const note = document.getElementById("equity-note");
    note.textContent = `Not drawn at first, because beside it the system would be a straight line: ${absent.join(", ")}. A tap on the name draws it.`;
    note.hidden = false;
  }
  const scales = document.querySelectorAll("[data-scale]");
  scales.forEach((button) =>
    button.addEventListener("click", () => {
      state.log = button.dataset.scale === "log";
      scales.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
      draw();
    }),
  );
  place.replaceChildren();
  draw();
  place.on("plotly_relayout", (change) => {
    const low = change["xaxis.range[0]"];
    if (low !== undefined) zoom([low, change["xaxis.range[1]"]].map(asTime));
  });
  place.on("plotly_doubleclick", () => zoom(whole));
  return draw;
}

// Plotly gives dates back as "2024-02-01 13:00:00.0" without a zone; they are UTC.
function asTime(value) {
  return typeof value === "number" ? value : Date.parse(String(value).replace(" ", "T").replace(/(\.\d{1,3})\d*$/, "$1") + (String(value).length > 10 ? "Z" : ""));
}

function stamp(minute) {
  return new Date(minutes(minute)).toISOString().slice(0, 16).replace("T", " ");
}
