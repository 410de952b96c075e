/** The items of an answer, which glide to their new places when they move. */
import { html, useLayoutEffect, useRef } from "./ui.js";
import { Card } from "./card.js";

const GLIDE_MS = 450;

export function Results({ answer, moves, busy, act, similar }) {
  const list = useRef(null);
  useGlide(list, answer);
  if (!answer.items.length) return html`<p class="empty">Nothing fits. Take a filter out, or search for something else.</p>`;
  return html`<ol class="results" ref=${list}>
    ${answer.items.map((item, place) => html`<li key=${item.item_id}>
      <${Card} item=${item} place=${place} moved=${moves !== null} move=${moves?.get(item.item_id)}
        busy=${busy} act=${act} similar=${similar} />
    </li>`)}
  </ol>`;
}

/** Let each card begin where it was and glide to where it is, unless the reader wants no motion. */
function useGlide(list, answer) {
  const before = useRef(new Map());
  useLayoutEffect(() => {
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const now = new Map();
    for (const card of list.current?.querySelectorAll("[data-item]") ?? []) {
      const { left, top } = card.getBoundingClientRect();
      const at = { left: left + scrollX, top: top + scrollY };
      const was = before.current.get(card.dataset.item);
      now.set(card.dataset.item, at);
      if (was && !still && (was.left !== at.left || was.top !== at.top)) {
        const from = `translate(${was.left - at.left}px, ${was.top - at.top}px)`;
        card.animate([{ transform: from }, { transform: "none" }], { duration: GLIDE_MS, easing: "ease-out" });
      }
    }
    before.current = now;
  }, [answer]);
}
