// One feature: under the price, its spread, and the mean return after each of its quantiles.

function historyChart(data) {
  const times = (curve) => curve.time.map((minute) => new Date(minutes(minute)));
  const line = (curve, colour, y, name) => ({
    type: "scatter", mode: "lines", x: times(curve), y: curve.value, yaxis: y, name,
    line: { color: style(colour), width: 1.2 }, connectgaps: false,
  });
  Plotly.react(
    "history-chart",
    [line(data.price, "--second", "y", "Price, USDT"), line(data.value, "--system", "y2", plainText(data.name))],
    baseLayout({
      margin: { l: narrow() ? 48 : 64, r: 12, t: 10, b: 36 }, hovermode: "x unified",
      xaxis: axis({ type: "date", anchor: "y2", fixedrange: touch() }),
      yaxis: axis({ domain: [0.46, 1], type: "log", title: { text: narrow() ? "" : "Price, USDT" } }),
      yaxis2: axis({ domain: [0, 0.42], title: { text: narrow() ? "" : plainText(data.name) } }),
    }),
    plotConfig,
  );
}

function spreadChart(data) {
  const middle = data.count.map((_, at) => (data.edges[at] + data.edges[at + 1]) / 2);
  Plotly.react(
    "spread-chart",
    [{ type: "bar", x: middle, y: data.count, marker: { color: style("--system") }, hovertemplate: "%{x:.4g}: %{y:,} bars<extra></extra>" }],
    baseLayout({ margin: { l: narrow() ? 48 : 64, r: 12, t: 10, b: 36 }, bargap: 0.04, xaxis: axis({}), yaxis: axis({ title: { text: narrow() ? "" : "Bars" } }) }),
    plotConfig,
  );
}

function afterChart(data) {
  const names = data.mean.map((_, at) => `${at + 1}`);
  const text = data.range.map(([low, high]) => `${low.toPrecision(4)} to ${high.toPrecision(4)}`);
  Plotly.react(
    "after-chart",
    [{
      type: "bar", x: names, y: data.mean, customdata: text,
      marker: { color: data.mean.map((value) => style(value < 0 ? "--loss" : "--gain")) },
      error_y: { type: "data", array: data.error, color: style("--soft"), thickness: 1.2, width: 4 },
      hovertemplate: "%{customdata}<br>%{y:.3f} %<extra></extra>",
    }],
    baseLayout({
      margin: { l: narrow() ? 48 : 64, r: 12, t: 10, b: 44 },
      xaxis: axis({ type: "category", title: { text: "Quantile of the feature, lowest first" } }),
      yaxis: axis({ title: { text: narrow() ? "" : `Next ${data.ahead}, %` }, zeroline: true }),
    }),
    plotConfig,
  );
}

async function unpack(id) {
  const text = document.getElementById(id).textContent.trim();
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

async function start() {
  const waiting = document.querySelectorAll(".waiting");
  try {
    if (!("DecompressionStream" in window)) throw new Error("this browser is too old to unpack them");
    const [library, text] = await Promise.all([unpack("packed-plotly"), unpack("packed-data")]);
    const script = document.createElement("script");
    script.textContent = library;
    document.head.append(script);
    const data = JSON.parse(text);
    waiting.forEach((place) => place.remove());
    const again = () => { historyChart(data); spreadChart(data); afterChart(data); };
    again();
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
    document.documentElement.dataset.ready = "yes";
  } catch (problem) {
    waiting.forEach((place) => { place.textContent = `The charts could not be drawn: ${problem.message}. The figures are in the table.`; });
    document.documentElement.dataset.ready = "no";
  }
}

start();
