// A long list that stays quick: items stand in chunks, and chunks far from the window are boxes of the same height.
import {h, html, useEffect, useLayoutEffect, useRef, useState} from '../libraries.js';

// Few, so that what comes near in one frame is drawn in one frame.
const SIZE = 10;
const ESTIMATE = 170;

/** Tells chunks whether they are near the window: one watch for all of them. */
class Nearness {
  constructor() {
    /** @type {WeakMap<Element, (entry: IntersectionObserverEntry) => void>} */
    this.told = new WeakMap();
    this.watch = new IntersectionObserver(
      seen => {
        for (const one of seen) this.told.get(one.target)?.(one);
      },
      {rootMargin: '1500px 0px'},
    );
  }

  /** @param {Element} node @param {(entry: IntersectionObserverEntry) => void} told @returns {() => void} */
  of(node, told) {
    this.told.set(node, told);
    this.watch.observe(node);
    return () => {
      this.told.delete(node);
      this.watch.unobserve(node);
    };
  }
}

/**
 * What was drawn is drawn again only where it changed: an item is an object that is never changed, but replaced.
 * @template T
 * @param {{items: T[], draw: (item: T, state: number) => any, state: (item: T) => number, keep: (item: T) => boolean,
 *   scope: any}} props
 *   *state*: what *draw* goes by besides the item; *keep*: has to stand in the page, wherever the window is; *scope*: what
 *   all is drawn anew for when it is another one
 */
export function Chunks({items, draw, state, keep, scope}) {
  const nearness = useRef(/** @type {Nearness | null} */ (null));
  nearness.current ||= new Nearness();
  useEffect(() => () => nearness.current?.watch.disconnect(), []);
  /** @typedef {{items: T[], states: number[], held: boolean, node: any}} Made */
  const made = useRef({scope, chunks: /** @type {Made[]} */ ([])});
  if (made.current.scope !== scope) made.current = {scope, chunks: []};
  const old = made.current.chunks;
  /** @type {Made[]} */
  const chunks = [];
  for (let at = 0; at < items.length; at += SIZE) {
    const chunk = items.slice(at, at + SIZE);
    const states = chunk.map(state);
    const held = chunk.some(keep);
    const before = /** @type {Made | undefined} */ (old[chunks.length]);
    const same =
      before !== undefined &&
      before.items.length === chunk.length &&
      before.held === held &&
      chunk.every((one, n) => one === before.items[n] && states[n] === before.states[n]);
    // A node that is the same object is not looked at again.
    chunks.push(
      same
        ? before
        : {
            items: chunk,
            states,
            held,
            node: h(/** @type {any} */ (Chunk), {
              key: chunks.length,
              items: chunk,
              states,
              draw,
              held,
              first: at === 0,
              nearness: nearness.current,
            }),
          },
    );
  }
  made.current.chunks = chunks;
  return chunks.map(one => one.node);
}

/**
 * @param {{items: any[], states: number[], draw: (item: any, state: number) => any, held: boolean, first: boolean,
 *   nearness: Nearness}} props
 */
function Chunk({items, states, draw, held, first, nearness}) {
  const node = useRef(/** @type {HTMLElement | null} */ (null));
  const [near, setNear] = useState(first);
  const height = useRef(items.length * ESTIMATE);
  const drawn = useRef(/** @type {Map<any, {state: number, node: any}>} */ (new Map()));
  const shown = near || held;
  const visible = useRef(shown);
  visible.current = shown;
  useEffect(
    () =>
      node.current
        ? nearness.of(node.current, entry => {
            // The browser measured it already: asking for the height would make it lay out the page once more.
            if (visible.current && !entry.isIntersecting) height.current = entry.boundingClientRect.height;
            setNear(entry.isIntersecting);
          })
        : undefined,
    [],
  );
  useLayoutEffect(() => {
    // Nobody tells of one that is far and stays in the page.
    if (held && !near && node.current) height.current = node.current.offsetHeight || height.current;
  });
  const old = drawn.current;
  drawn.current = new Map();
  if (shown) {
    items.forEach((item, at) => {
      const before = old.get(item);
      const kept = before && before.state === states[at] ? before : null;
      drawn.current.set(item, kept || {state: states[at], node: draw(item, states[at])});
    });
  }
  return html`<div ref=${node} class="chunk" style=${shown ? null : {height: `${height.current}px`}}>
    ${shown && items.map(item => drawn.current.get(item)?.node)}
  </div>`;
}

/** Calls *onNear* when the end of a list comes near, once: each page has an end of its own. @param {{onNear: () => void}} props */
export function End({onNear}) {
  const node = useRef(/** @type {HTMLElement | null} */ (null));
  const act = useRef(onNear);
  act.current = onNear;
  useEffect(() => {
    const watch = new IntersectionObserver(seen => seen[0].isIntersecting && act.current(), {rootMargin: '1200px 0px'});
    if (node.current) watch.observe(node.current);
    return () => watch.disconnect();
  }, []);
  return html`<div ref=${node} class="end"></div>`;
}
