/** The playground: a shopper asks, does something, and asks again; beside it, what the system says meanwhile. */
import { html, render, useEffect, useRef, useState } from "./ui.js";
import { about, ask, publish } from "./api.js";
import { Filters } from "./filters.js";
import { useKeptFocus } from "./focus.js";
import { Live } from "./live.js";
import { inWords, movesOf } from "./moves.js";
import { OwnTable } from "./owntable.js";
import { keyOf, NO_FILTERS, queryOf } from "./question.js";
import { Results } from "./results.js";
import { SearchBox } from "./searchbox.js";
import { invented, ShopperChoice } from "./shopper.js";
import { ThemeButton, useTheme } from "./theme.js";
import { Tour } from "./tour.js";

const HOME = { surface: "home" };

function App({ shoppers, workers }) {
  const [theme, chooseTheme] = useTheme();
  const [tour, setTour] = useState(false);
  const [language, setLanguage] = useState("en");
  const [cart, setCart] = useState([]);
  const [page, setPage] = useState({ shopper: shoppers[0]?.user_id ?? invented(), question: HOME, filters: NO_FILTERS });
  const [shown, setShown] = useState({ answer: null, moves: null, took: 0 });
  const [busy, setBusy] = useState(false);
  const [told, setTold] = useState("");
  const [wrong, setWrong] = useState("");
  const last = useRef({ key: "", items: [], asked: 0 });
  const after = useRef(new Map());
  const keepFocus = useKeptFocus(busy, "answer-title");

  /** Ask, and show the answer unless another question has been asked meanwhile. */
  const show = async (wanted, basket = cart, words = language) => {
    const turn = (last.current.asked += 1);
    setPage(wanted);
    setBusy(true);
    try {
      const began = performance.now();
      const answer = await ask(queryOf({ ...wanted, language: words, cart: basket, after: after.current.get(wanted.shopper) }));
      if (turn !== last.current.asked) return null;
      const key = keyOf(wanted);
      const moves = key === last.current.key ? movesOf(last.current.items, answer.items) : null;
      last.current = { key, items: answer.items, asked: turn };
      setShown({ answer, moves, took: performance.now() - began });
      setWrong("");
      return moves;
    } catch (error) {
      if (turn === last.current.asked) setWrong(error.message);
      return null;
    } finally {
      if (turn === last.current.asked) setBusy(false);
    }
  };
  useEffect(() => {
    show(page);
  }, []);

  /** Publish what the shopper does with an item, then ask again: the answer waits for the event. */
  const act = async (kind, item, place) => {
    const { shopper, question } = page;
    const event = { event: kind, user_id: shopper, item_id: item.item_id, request_id: shown.answer.request_id, position: place };
    if (question.surface === "search") event.query = question.text;
    keepFocus(kind, item.item_id);
    setBusy(true);
    try {
      const { after: seen } = await publish(event);
      if (seen) after.current.set(shopper, seen);
    } catch (error) {
      setWrong(error.message);
      setBusy(false);
      return;
    }
    const basket = kind === "add_to_cart" && !cart.some(({ item_id: id }) => id === item.item_id) ? [...cart, item] : cart;
    setCart(basket);
    const moves = await show(page, basket);
    setTold(moves ? `The next answer knows of the ${kind.replaceAll("_", " ")}. ${inWords(moves)}` : "");
  };

  const open = (question) => {
    setTold("");
    show({ ...page, question, filters: NO_FILTERS });
  };
  const search = (text) => open(text ? { surface: "search", text } : HOME);

  return html`<header>
      <h1>streamrank <span class="hint">playground</span></h1>
      <div class="header-buttons">
        <button type="button" class="plain" onClick=${() => setTour(true)}>Tour</button>
        <${ThemeButton} theme=${theme} choose=${chooseTheme} />
      </div>
    </header>
    <div class="columns">
      <main>
        <${ShopperChoice} shopper=${page.shopper} shoppers=${shoppers} choose=${(shopper) => show({ ...page, shopper })} />
        <${SearchBox} search=${search} />
        <${Surfaces} question=${page.question} cart=${cart} open=${open} empty=${() => { setCart([]); open(HOME); }} />
        <div class="tools">
          <${Filters} facets=${shown.answer?.facets ?? {}} filters=${page.filters} disabled=${busy}
            setFilters=${(filters) => show({ ...page, filters })} />
          <label>Reasons in
            <select value=${language} onChange=${(event) => { setLanguage(event.target.value); show(page, cart, event.target.value); }}>
              <option value="en">English</option>
              <option value="zh">中文</option>
            </select>
          </label>
        </div>
        <p class="told" role="status">${told}</p>
        ${wrong && html`<p class="wrong" role="alert">${wrong}</p>`}
        <section aria-labelledby="answer-title" aria-busy=${busy} data-tour="results">
          <h2 id="answer-title" tabindex="-1">${titleOf(page.question)}</h2>
          ${shown.answer && html`<${Understood} ...${shown} />
            <${Results} answer=${shown.answer} moves=${shown.moves} busy=${busy} act=${act}
              similar=${(item) => open({ surface: "similar", item })} />`}
        </section>
        <${OwnTable} search=${search} />
      </main>
      <${Live} theme=${theme} workers=${workers} />
    </div>
    ${tour && html`<${Tour} close=${() => setTour(false)} />`}`;
}

/** Home and cart, and what is looked at beside them. */
function Surfaces({ question, cart, open, empty }) {
  const pressed = (surface) => (question.surface === surface ? "page" : undefined);
  return html`<nav class="surfaces" aria-label="Surfaces">
    <button type="button" aria-current=${pressed("home")} onClick=${() => open(HOME)}>Home</button>
    <button type="button" aria-current=${pressed("cart")} disabled=${!cart.length} onClick=${() => open({ surface: "cart" })}>
      Cart (${cart.length})
    </button>
    ${cart.length > 0 && html`<button type="button" class="plain" onClick=${empty}>Empty the cart</button>`}
  </nav>`;
}

/** How the answer came about, in a line. */
function Understood({ answer, took }) {
  const { understood, intent, matches } = answer;
  const parts = [
    understood?.refined_from && `goes on from “${understood.refined_from}”`,
    understood?.corrected && `also searched for “${understood.corrected}”`,
    matches !== undefined && matches !== null && `${matches} match`,
    intent && `intent: ${intent.label}`,
    `weights ${answer.weights_version ?? 0}`,
    `${took.toFixed(0)} ms there and back`,
    answer.after_unmet && "without the last event: it had not arrived",
  ];
  return html`<p class="hint">${parts.filter(Boolean).join(" · ")}</p>`;
}

function titleOf({ surface, text, item }) {
  if (surface === "search") return `Search: ${text}`;
  if (surface === "similar") return `Similar to ${item.details.title || item.item_id}`;
  return surface === "cart" ? "Goes with the cart" : "Home";
}

const place = document.getElementById("app");
place.textContent = "";
about().then(
  (found) => render(html`<${App} ...${found} />`, place),
  (error) => {
    place.textContent = error.message;
  },
);
