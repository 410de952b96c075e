/** A tour of six steps for newcomers: a note at the foot of the page, and an outline around what it speaks of. */
import { html, useEffect, useRef, useState } from "./ui.js";

const STEPS = [
  ["shopper", "Whose shop it is", "Choose a shopper whom the log knows, or invent one. Every answer is for this shopper."],
  ["search", "Search in any language", "Type a few letters and take a suggestion. English finds Chinese titles, and the other way round."],
  ["results", "Why an item is there", "Chips name the sources that found it. Open “Why here?”: the bars add up to the score."],
  ["results", "Click, and watch", "Click or dislike something. The event goes through Kafka, and the next answer has learnt from it: arrows show what moved."],
  ["live", "What happens meanwhile", "Events and answers a second, delays, what the online ranker learns, and records that could not be used."],
  ["own", "Your own shop", "Paste a table of items and search it a moment later."],
];

export function Tour({ close }) {
  const [step, setStep] = useState(0);
  const note = useRef(null);
  const [target, title, text] = STEPS[step];

  useEffect(() => {
    const shown = document.querySelector(`[data-tour="${target}"]`);
    shown?.classList.add("toured");
    shown?.scrollIntoView({ block: "center" });
    note.current?.focus();
    return () => shown?.classList.remove("toured");
  }, [step]);

  const last = step === STEPS.length - 1;
  return html`<div class="tour" role="dialog" aria-labelledby="tour-title" aria-describedby="tour-text" tabindex="-1" ref=${note}
    onKeyDown=${(event) => event.key === "Escape" && close()}>
    <p class="hint">Step ${step + 1} of ${STEPS.length}</p>
    <h2 id="tour-title">${title}</h2>
    <p id="tour-text">${text}</p>
    <p class="tour-row">
      <button type="button" onClick=${close}>Close</button>
      <button type="button" disabled=${step === 0} onClick=${() => setStep(step - 1)}>Back</button>
      <button type="button" class="primary" onClick=${() => (last ? close() : setStep(step + 1))}>${last ? "Done" : "Next"}</button>
    </p>
  </div>`;
}
