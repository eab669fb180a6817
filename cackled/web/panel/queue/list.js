// A long list that stays quick: items stand in chunks, and chunks far from the window are boxes of the same height.
import {html, useEffect, useLayoutEffect, useRef, useState} from '../libraries.js';

const SIZE = 20;
const ESTIMATE = 170;

/**
 * @param {{items: any[], draw: (item: any) => any, keep: (item: any) => boolean}} props *keep*: has to stand in the page,
 *   wherever the window is
 */
export function Chunks({items, draw, keep}) {
  const chunks = [];
  for (let at = 0; at < items.length; at += SIZE) chunks.push(items.slice(at, at + SIZE));
  return chunks.map(
    (chunk, at) => html`<${Chunk} key=${at} items=${chunk} draw=${draw} held=${chunk.some(keep)} first=${at === 0} />`,
  );
}

/** @param {{items: any[], draw: (item: any) => any, held: boolean, first: boolean}} props */
function Chunk({items, draw, held, first}) {
  const node = useRef(/** @type {HTMLElement | null} */ (null));
  const [near, setNear] = useState(first);
  const height = useRef(items.length * ESTIMATE);
  useEffect(() => {
    const watch = new IntersectionObserver(seen => setNear(seen[seen.length - 1].isIntersecting), {
      rootMargin: '1500px 0px',
    });
    if (node.current) watch.observe(node.current);
    return () => watch.disconnect();
  }, []);
  const shown = near || held;
  useLayoutEffect(() => {
    if (shown && node.current) height.current = node.current.offsetHeight || height.current;
  });
  return html`<div ref=${node} class="chunk" style=${shown ? null : {height: `${height.current}px`}}>
    ${shown && items.map(draw)}
  </div>`;
}

/** Calls *onNear* when the end of a list comes near. @param {{onNear: () => void}} props */
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
