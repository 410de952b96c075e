/** Where the keyboard goes on: a button that was pressed is disabled while the next answer comes, and may move or go. */
import { useEffect, useRef } from "./ui.js";

/** What to call when a button of an item is pressed; once nothing is `busy`, the same button has the focus again. */
export function useKeptFocus(busy, fallback) {
  const pressed = useRef(null);
  useEffect(() => {
    if (busy || !pressed.current) return;
    const { kind, id } = pressed.current;
    pressed.current = null;
    if (document.activeElement?.matches("button, input, select, textarea, summary, a") && !document.activeElement.disabled) return;
    const card = [...document.querySelectorAll(".card")].find(({ dataset }) => dataset.item === id);
    (card?.querySelector(`[data-kind="${kind}"]`) ?? document.getElementById(fallback)).focus();
  }, [busy]);
  return (kind, id) => {
    const byKeyboard = document.activeElement?.matches(":focus-visible");
    pressed.current = byKeyboard ? { kind, id } : null;
  };
}
