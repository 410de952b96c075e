/** An item's picture, or one drawn from its title where there is none. */
import { html, useState } from "./ui.js";

export function Picture({ item }) {
  const [broken, setBroken] = useState(null);
  const address = item.details.image_link;
  if (address && broken !== address) {
    return html`<img class="picture" src=${address} alt="" loading="lazy" onError=${() => setBroken(address)} />`;
  }
  const title = item.details.title || item.item_id;
  const letters = [...title].filter((letter) => /[\p{L}\p{N}]/u.test(letter)).slice(0, 2).join("");
  const hue = [...title].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 7);
  return html`<svg class="picture" viewBox="0 0 80 30" preserveAspectRatio="xMidYMid slice" aria-hidden="true" style=${{ "--hue": hue }}>
    <rect class="drawn" width="80" height="30" />
    <circle class="drawn-sun" cx="64" cy="10" r="4" />
    <path class="drawn-hill" d="M0 30 22 15 36 25 52 17 80 30z" />
    <text class="drawn-letters" x="8" y="14">${letters}</text>
  </svg>`;
}
