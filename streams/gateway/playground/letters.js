/** Dead letters as they come: records that a worker could not use, with the field that was wrong. */
import { html, useEffect, useState } from "./ui.js";
import { follow, publish } from "./api.js";

const KEPT = 10;
const DAYS_MS = 3 * 86_400_000;

export function Letters() {
  const [letters, setLetters] = useState([]);
  const [wrong, setWrong] = useState("");
  useEffect(() => follow("/v1/dead-letters", "dead_letter", (letter) => setLetters((before) => [letter, ...before].slice(0, KEPT))), []);

  const send = async () => {
    try {
      await publish({ event: "view", user_id: "a-traveller", item_id: "anything", time: Date.now() + DAYS_MS });
      setWrong("");
    } catch (error) {
      setWrong(error.message);
    }
  };

  return html`<section aria-labelledby="letters-title">
    <h3 id="letters-title">Dead letters</h3>
    <p><button type="button" onClick=${send}>Send an event from the future</button></p>
    ${wrong && html`<p class="wrong">${wrong}</p>`}
    ${letters.length === 0
      ? html`<p class="hint">None since this page was opened.</p>`
      : html`<ul class="letters">
          ${letters.map((letter) => html`<li key=${`${letter.topic} ${letter.partition} ${letter.offset}`}>
            <strong>${letter.field || "the whole record"}</strong> <code>${letter.code}</code> ${letter.reason}
            <span class="hint">${letter.topic}, partition ${letter.partition}, offset ${letter.offset}</span>
          </li>`)}
        </ul>`}
  </section>`;
}
