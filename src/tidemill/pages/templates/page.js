(async () => {
  "use strict";
  // the library is in this file, compressed; it becomes a script of the page, which fetches nothing
  async function unpack(text) {
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  }

  if (typeof DecompressionStream === "undefined") {
    const sentence = "Charts need a browser of 2023 or later; all figures in the tables are complete without them.";
    document.querySelectorAll("[data-figure]").forEach((place) => { place.textContent = sentence; });
    return;
  }
  const library = document.createElement("script");
  library.textContent = await unpack(document.getElementById("library").textContent);
  document.head.append(library);

  const figures = JSON.parse(document.getElementById("figures").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const narrow = window.matchMedia("(max-width: 760px)");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function themed(layout) {
    const themedLayout = structuredClone(layout);
    themedLayout.paper_bgcolor = themedLayout.plot_bgcolor = "rgba(0,0,0,0)";
    themedLayout.font = { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("--ink") };
    themedLayout.hoverlabel = { bgcolor: colour("--card"), bordercolor: colour("--line"), font: { color: colour("--ink") } };
    themedLayout.autosize = true;
    // a finger scrolls the page; it does not zoom a chart
    themedLayout.dragmode = narrow.matches ? false : "zoom";
    // plotly leaves out an axis that nothing was said about; it needs the colours all the same
    themedLayout.xaxis ??= {};
    themedLayout.yaxis ??= {};
    for (const name of Object.keys(themedLayout).filter((key) => /^[xy]axis/.test(key))) {
      Object.assign(themedLayout[name], {
        gridcolor: colour("--grid"), linecolor: colour("--line"), zerolinecolor: colour("--line"), automargin: true,
      });
    }
    return themedLayout;
  }

  function draw(place) {
    const figure = figures[place.dataset.figure];
    const layout = themed(figure.layout);
    place.style.height = layout.height + "px";
    // beside narrow bars there is no room for figures, which are in the table below
    const bare = narrow.matches ? { textposition: "none" } : {};
    const data = figure.data.map((trace) => (trace.orientation === "h" ? { ...trace, ...bare } : trace));
    Plotly.react(place, data, layout, { displaylogo: false, displayModeBar: false });
  }

  const places = [...document.querySelectorAll("[data-figure]")];
  const drawAll = () => places.forEach(draw);
  drawAll();
  const watcher = new ResizeObserver((entries) => entries.forEach((entry) => Plotly.Plots.resize(entry.target)));
  places.forEach((place) => watcher.observe(place));
  dark.addEventListener("change", drawAll);
  narrow.addEventListener("change", drawAll);

  const select = document.getElementById("instrument");
  const price = places.find((place) => place.dataset.figure.startsWith("price:"));
  select.addEventListener("change", () => {
    price.dataset.figure = select.value;
    draw(price);
  });
})();
