// Unpacks library and data, draws the large charts, and draws them again in other colours or sizes.

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
    document.querySelectorAll(".controls").forEach((bar) => { bar.hidden = false; });
    const redraw = drawings(data); // each page says what it draws
    const again = () => redraw.forEach((draw) => draw());
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
    window.matchMedia("print").addEventListener("change", again);
    let width = window.innerWidth;
    window.addEventListener("resize", () => {
      if (Math.abs(window.innerWidth - width) < 2) return;
      width = window.innerWidth;
      again();
    });
    document.documentElement.dataset.ready = "yes";
  } catch (problem) {
    waiting.forEach((place) => { place.textContent = `The charts could not be drawn: ${problem.message}. Every figure is in the tables.`; });
    document.documentElement.dataset.ready = "no";
  }
}

start();
