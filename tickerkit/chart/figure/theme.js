// Light and dark: a template for Plotly that suits the page around the figure.

const INK = { light: ["#24292f", "#e4e8ec", "#c6ccd2"], dark: ["#d0d7de", "#363c44", "#4d5560"] };

/** Return whether the page is dark: as JupyterLab or VS Code say, else by its background. */
export function isDark() {
  const { jpThemeLight, vscodeThemeKind } = document.body.dataset;
  if (jpThemeLight) return jpThemeLight === "false";
  if (vscodeThemeKind) return !vscodeThemeKind.includes("light");
  const [red, green, blue, alpha = 1] =
    getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g)?.map(Number) ?? [];
  return alpha > 0.5 && red * 0.3 + green * 0.6 + blue * 0.1 < 100;
}

/**
 * Return a template in the colours of the page; what the layout itself says goes before it.
 *
 * Theme is "auto", "light", "dark", or null where the user has set a template.
 */
export function themed(template, theme, dark) {
  if (!theme) return template;
  const name = theme === "auto" ? (dark ? "dark" : "light") : theme;
  const [ink, grid, line] = INK[name];
  const own = getComputedStyle(document.body).getPropertyValue("--jp-layout-color0").trim();
  const paper = (theme === "auto" && own) || (name === "dark" ? "#111" : "#fff");
  const layout = template?.layout ?? {};
  const axis = { gridcolor: grid, linecolor: line, zerolinecolor: line };
  return {
    ...template,
    layout: {
      ...layout,
      paper_bgcolor: paper,
      plot_bgcolor: paper,
      font: { ...layout.font, color: ink },
      // Above the plot: at its right edge stand the newest values.
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", ...layout.legend },
      xaxis: { ...layout.xaxis, ...axis },
      yaxis: { ...layout.yaxis, ...axis },
    },
  };
}
