/** Light or dark: as the system says, until somebody chooses. */
import { html, useState } from "./ui.js";

const KEY = "streamrank-theme";
const root = document.documentElement;

function remembered() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // a browser that keeps nothing
  }
}

/** The theme in use; sets the one that was chosen before. */
export function useTheme() {
  const [theme, setTheme] = useState(() => {
    const chosen = remembered() ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    root.dataset.theme = chosen;
    return chosen;
  });
  const choose = (wanted) => {
    root.dataset.theme = wanted;
    try {
      localStorage.setItem(KEY, wanted);
    } catch {
      // it holds until the page is left
    }
    setTheme(wanted);
  };
  return [theme, choose];
}

export function ThemeButton({ theme, choose }) {
  const other = theme === "dark" ? "light" : "dark";
  return html`<button type="button" class="plain" id="theme" onClick=${() => choose(other)}>${other} theme</button>`;
}
