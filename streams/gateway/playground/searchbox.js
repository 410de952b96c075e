/** A search box that completes what is typed: an ARIA combobox with a list. */
import { html, useEffect, useRef, useState } from "./ui.js";
import { suggest } from "./api.js";

const PAUSE_MS = 120;

export function SearchBox({ search }) {
  const [text, setText] = useState("");
  const [suggestions, setSuggestions] = useState([]);
  const [chosen, setChosen] = useState(-1);
  const typed = useRef(false);

  useEffect(() => {
    if (!typed.current || !text.trim()) {
      setSuggestions([]);
      return undefined;
    }
    const ended = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const found = await suggest(text, ended.signal);
        if (typed.current) setSuggestions(found);
      } catch (error) {
        if (error.name !== "AbortError") setSuggestions([]);
      }
      setChosen(-1);
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      ended.abort();
    };
  }, [text]);

  const go = (wanted) => {
    typed.current = false;
    setText(wanted);
    setSuggestions([]);
    setChosen(-1);
    search(wanted);
  };
  const onKeyDown = (event) => {
    const count = suggestions.length;
    if (event.key === "Escape") setSuggestions([]);
    if (!count || (event.key !== "ArrowDown" && event.key !== "ArrowUp")) return;
    event.preventDefault();
    const step = event.key === "ArrowDown" ? 1 : -1;
    setChosen((now) => ((now + step + (now < 0 && step < 0 ? 1 : 0) + count) % count));
  };
  const submit = (event) => {
    event.preventDefault();
    go(chosen >= 0 ? suggestions[chosen].text : text.trim());
  };

  return html`<form class="search" role="search" onSubmit=${submit} data-tour="search">
    <label for="text">Search in any language</label>
    <div class="search-row">
      <div class="combo">
        <input id="text" type="search" autocomplete="off" role="combobox" value=${text} placeholder="yogurt, 酸奶 …"
          aria-expanded=${suggestions.length > 0} aria-controls="suggestions" aria-autocomplete="list"
          aria-activedescendant=${chosen >= 0 ? `suggestion-${chosen}` : undefined}
          onInput=${(event) => { typed.current = true; setText(event.target.value); }}
          onKeyDown=${onKeyDown} onBlur=${() => setTimeout(() => setSuggestions([]), 150)} />
        <ul id="suggestions" class="suggestions" role="listbox" aria-label="Suggestions" hidden=${!suggestions.length}>
          ${suggestions.map(({ text: one, kind }, n) => html`<li id=${`suggestion-${n}`} key=${kind + one} role="option"
            aria-selected=${n === chosen} onMouseDown=${(event) => { event.preventDefault(); go(one); }}>
            ${one} <span class="kind">${kind}</span>
          </li>`)}
        </ul>
      </div>
      <button type="submit" class="primary">Search</button>
    </div>
  </form>`;
}
