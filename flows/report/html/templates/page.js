const figures = JSON.parse(document.getElementById("figures").textContent);
const names = Object.keys(figures);
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const config = { responsive: true, displaylogo: false, displayModeBar: false, scrollZoom: false };

function theme() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(name).trim();
  const axis = { gridcolor: read("--line"), linecolor: read("--line"), tickcolor: read("--line") };
  return {
    font: { family: getComputedStyle(document.body).fontFamily, size: 12.5, color: read("--text") },
    hoverlabel: { bgcolor: read("--card"), bordercolor: read("--line"), font: { color: read("--text") } },
    axis,
  };
}

function themed(layout) {
  const { font, hoverlabel, axis } = theme();
  return { ...layout, font, hoverlabel, xaxis: { ...layout.xaxis, ...axis }, yaxis: { ...layout.yaxis, ...axis } };
}

// The charts share one time axis: zooming into one zooms into all.
let following = false;
function follow(name, change) {
  const key = Object.keys(change).find((item) => item.startsWith("xaxis."));
  if (following || !key) return;
  following = true;
  const range = document.getElementById(name).layout.xaxis.range;
  const others = names.filter((other) => other !== name);
  Promise.all(others.map((other) => Plotly.relayout(other, { "xaxis.range": [...range] }))).then(() => { following = false; });
}

for (const name of names) {
  const { data, layout } = figures[name];
  Plotly.newPlot(name, data, themed(layout), config).then((chart) => {
    chart.on("plotly_relayout", (change) => follow(name, change));
    chart.dataset.drawn = "yes";
  });
}
dark.addEventListener("change", () => {
  for (const name of names) Plotly.react(name, figures[name].data, themed(figures[name].layout), config);
});
