/**
 * Theme: a light or dark template for Plotly that suits the page around the figure.
 */

/** @import { Template, ThemeName } from "./types.d.ts" */

/** The colours of text, grid and axes. */
const INK = {
  light: { text: "#24292f", grid: "#e4e8ec", line: "#c6ccd2" },
  dark: { text: "#d0d7de", grid: "#363c44", line: "#4d5560" },
};

/** Return whether the page is dark, as JupyterLab, VS Code or marimo says, or by its background. */
export function isDark() {
  const { jpThemeLight, vscodeThemeKind, theme } = document.body.dataset;
  if (jpThemeLight) return jpThemeLight === "false";
  if (vscodeThemeKind) return !vscodeThemeKind.includes("light");
  if (theme === "light" || theme === "dark") return theme === "dark";
  const [red, green, blue] = readPageColor(getComputedStyle(document.body).backgroundColor) ?? [];
  return red * 0.3 + green * 0.6 + blue * 0.1 < 100;
}

/**
 * Return red, green and blue of a computed colour, 0 to 255; null if it is translucent, or written
 * in another way.
 *
 * @param {string} color such as "rgb(17, 17, 17)" or "color(srgb 0.07 0.07 0.07)"
 * @returns {number[] | null}
 */
export function readPageColor(color) {
  const [, notation, list] = /^(rgba?\(|color\(srgb )([^)]*)\)$/.exec(color) ?? [];
  if (!notation) return null;
  const [red, green, blue, alpha = 1] = (list.match(/[\d.e-]+/g) ?? []).map(Number);
  if (!(alpha > 0.5)) return null;
  return [red, green, blue].map((part) => (notation.startsWith("rgb") ? part : part * 255));
}

/**
 * Return a template in the colours of the page; the legend's own settings take precedence.
 *
 * @param {Template | null | undefined} template
 * @param {ThemeName | null | undefined} theme null once the user has set a template, which stays
 * @param {boolean} isPageDark
 * @returns {Template | null | undefined}
 */
export function applyTheme(template, theme, isPageDark) {
  if (!theme) return template;
  const name = theme === "auto" ? (isPageDark ? "dark" : "light") : theme;
  const { text, grid, line } = INK[name];
  const paper = (theme === "auto" && findBackground()) || (name === "dark" ? "#111" : "#fff");
  const layout = template?.layout ?? {};
  const axis = { gridcolor: grid, linecolor: line, zerolinecolor: line };
  return {
    ...template,
    layout: {
      ...layout,
      paper_bgcolor: paper,
      plot_bgcolor: paper,
      font: { ...layout.font, color: text },
      // Above the plot: the newest values are at its right edge.
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", ...layout.legend },
      // At the top, where it stays while the renderer makes room for the legend below it.
      title: { ...layout.title, y: 1, yanchor: "top", yref: "container", pad: { t: 8 } },
      xaxis: { ...layout.xaxis, ...axis },
      yaxis: { ...layout.yaxis, ...axis },
    },
  };
}

/** Return the colour of the page's background, for Plotly; "" if it is unknown. */
function findBackground() {
  const style = getComputedStyle(document.body);
  const own = style.getPropertyValue("--jp-layout-color0").trim();
  if (own) return own;
  const color = readPageColor(style.backgroundColor);
  return color ? `rgb(${color.map(Math.round)})` : "";
}
