// Equity curves over each other, all from the same beginning, and their drawdowns under them.

function comparisonChart(data) {
  const place = document.getElementById("curves-chart");
  const dayMs = 864e5;
  const time = data.days.map((day) => day * dayMs);
  const whole = [time[0], time[time.length - 1]];
  const market = Object.assign({ name: "Coins, held", colour: "--soft", dash: "dot", width: 1.2 }, data.market);
  const curves = data.curves.map((curve, at) => Object.assign({ colour: `--series-${at}`, dash: "solid", width: 1.9 }, curve));
  curves.push(market);
  const state = { shown: curves.map((curve) => curve !== market), range: whole };
  const last = (values) => values[values.length - 1];

  function spread(name, low, high) {
    const values = curves.flatMap((curve, at) =>
      state.shown[at] ? curve[name].filter((_value, i) => time[i] >= state.range[0] && time[i] <= state.range[1]) : []);
    const least = values.reduce((a, b) => Math.min(a, b), low);
    const most = values.reduce((a, b) => Math.max(a, b), high);
    const room = (most - least) * 0.05 || 1;
    return [least - room, most + (name === "fall" ? room * 0.4 : room)];
  }

  function endLabels(range, height) {
    const labels = curves
      .map((curve, at) => ({ curve, at, value: last(curve.gain) }))
      .filter((label) => state.shown[label.at] && label.value >= range[0] && label.value <= range[1])
      .map((label) => Object.assign(label, { pixel: ((label.value - range[0]) / (range[1] - range[0])) * height }))
      .sort((a, b) => a.pixel - b.pixel);
    let floor = -Infinity;
    return labels.map((label) => {
      const put = Math.max(label.pixel, floor + 17);
      floor = put;
      const name = label.curve.name.length > 22 ? `${label.curve.name.slice(0, 21)}…` : label.curve.name;
      return {
        xref: "paper", x: 1, xanchor: "left", xshift: 6, yref: "y", y: label.value, yshift: put - label.pixel,
        showarrow: false, text: plainText(name), align: "left", font: { color: style(label.curve.colour), size: 12 },
      };
    });
  }

  function trace(curve, at, name, digits, onAxis) {
    return {
      type: "scatter", mode: "lines", x: time, y: curve[name], yaxis: onAxis, name: plainText(curve.name), visible: state.shown[at],
      line: { color: style(curve.colour), width: name === "gain" ? curve.width : 1.2, dash: curve.dash },
      hovertemplate: `%{y:.${digits}f} %`, xaxis: "x",
    };
  }

  function draw() {
    const small = narrow();
    const gain = spread("gain", 0, 0);
    const fall = spread("fall", 0, 0);
    const domain = [0.36, 1];
    const margin = { l: small ? 50 : 60, r: small ? 12 : 150, t: 22, b: 30 };
    const height = (place.clientHeight - margin.t - margin.b) * (domain[1] - domain[0]);
    const heading = (text, y) => ({
      xref: "paper", yref: "paper", x: 0, y, xanchor: "left", yanchor: "bottom", showarrow: false, text,
      font: { color: style("--soft"), size: 12 },
    });
    const traces = curves.flatMap((curve, at) => [trace(curve, at, "gain", 2, "y"), trace(curve, at, "fall", 2, "y2")]);
    traces.filter((_each, at) => at % 2).forEach((each) => { each.hoverinfo = "skip"; each.hovertemplate = undefined; });
    const layout = baseLayout({
      margin, hovermode: "x unified",
      xaxis: axis({ type: "date", range: state.range, fixedrange: touch(), anchor: "y2", hoverformat: "%Y-%m-%d" }),
      yaxis: axis({ domain, range: gain, ticksuffix: " %", nticks: 7, zeroline: true }),
      yaxis2: axis({ domain: [0, 0.27], range: fall, ticksuffix: " %", nticks: 4 }),
      annotations: [heading("Net return since the beginning", 1.002), heading("Drawdown", 0.27), ...(small ? [] : endLabels(gain, height))],
    });
    Plotly.react(place, traces, layout, plotConfig);
  }

  function zoom(range) {
    state.range = [Math.max(range[0], whole[0]), Math.min(range[1], whole[1])];
    draw();
  }

  const chips = document.getElementById("curve-chips");
  curves.forEach((curve, at) => {
    const chip = document.createElement("button");
    const swatch = document.createElement("i");
    swatch.style.borderColor = `var(${curve.colour})`;
    swatch.style.borderTopStyle = curve.dash === "dot" ? "dotted" : "solid";
    chip.type = "button";
    chip.setAttribute("aria-pressed", String(state.shown[at]));
    chip.append(swatch, `${curve.name} ${signed(last(curve.gain), 1)} %`);
    chip.addEventListener("click", () => {
      state.shown[at] = !state.shown[at];
      chip.setAttribute("aria-pressed", String(state.shown[at]));
      draw();
    });
    chips.append(chip);
  });
  place.replaceChildren();
  draw();
  place.on("plotly_relayout", (change) => {
    const low = change["xaxis.range[0]"];
    if (low !== undefined) zoom([low, change["xaxis.range[1]"]].map(asTime));
  });
  place.on("plotly_doubleclick", () => zoom(whole));
  return draw;
}
