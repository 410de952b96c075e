/** Preact with htm: elements are tagged templates, so nothing has to be built. */
import { h, render } from "./vendor/preact.js";
import htm from "./vendor/htm.js";

export { render };
export { useEffect, useLayoutEffect, useMemo, useRef, useState, useCallback } from "./vendor/hooks.js";
export const html = htm.bind(h);
