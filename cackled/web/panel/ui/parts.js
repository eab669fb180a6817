// Small things that many pages show.
import {html, signal, useEffect, useRef} from '../libraries.js';
import {title} from '../title.js';
import {ago, moment, percent, t} from '../words.js';

const minute = signal(Date.now());
setInterval(() => {
  minute.value = Date.now();
}, 30_000);

/** How long ago, kept right; the whole date on hover and for machines. @param {{at: string | null | undefined}} props */
export function When({at}) {
  if (!at) return html`<span class="muted">–</span>`;
  return html`<time datetime=${at} title=${moment(at)}>${ago(at, Math.max(minute.value, Date.now()))}</time>`;
}

/** A mark: a word in a box. @param {{kind?: string, children?: any, title?: string}} props */
export const Mark = ({kind = '', children, title}) =>
  html`<span class=${`mark ${kind}`} title=${title}>${children}</span>`;

/** Progress of something long. @param {{label: string, done: number, total: number}} props */
export function Progress({label, done, total}) {
  return html`<div class="progress">
    <span>${label}</span>
    <progress value=${done} max=${total || 1} aria-label=${label}></progress>
    <span class="number">${percent(total ? done / total : 0)}</span>
  </div>`;
}

/**
 * The heading of a page, focused when it opens, so that keys and screen readers begin there.
 * @param {{children?: any, aside?: any, lead?: any}} props
 */
export function Heading({children, aside, lead}) {
  const node = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    node.current?.focus({preventScroll: true});
  }, []);
  useEffect(() => {
    title(node.current?.textContent || '');
  });
  return html`<div class="heading">
    <div>
      <h1 tabindex="-1" ref=${node}>${children}</h1>
      ${lead && html`<p class="muted">${lead}</p>`}
    </div>
    ${aside && html`<div class="actions">${aside}</div>`}
  </div>`;
}

/**
 * Pages of one subject, as links: `[address, label]`.
 * @param {{label: string, tabs: [string, any][], current: string}} props
 */
export function Tabs({label, tabs, current}) {
  const node = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    // Where they don't all have room, the current one is seen.
    node.current?.querySelector('[aria-current]')?.scrollIntoView({block: 'nearest', inline: 'nearest'});
  }, [current]);
  return html`<nav class="tabs" aria-label=${label} ref=${node}>
    ${tabs.map(([to, name]) => html`<a key=${to} href=${`/panel${to}`} aria-current=${to === current ? 'page' : null}>${name}</a>`)}
  </nav>`;
}

/** A name, or what stands for one. @param {{name?: string | null}} props */
export const Name = ({name}) => html`<bdi class="name">${name || t('guest')}</bdi>`;

const TONES = 6;

/**
 * A picture, else initials on a colour that goes by the id.
 * @param {{name?: string | null, id?: string | number, picture?: string | null}} props
 */
export function Avatar({name, id = '', picture}) {
  if (picture) return html`<img class="avatar" src=${picture} alt="" />`;
  const letters = [...(name || '?').trim()].slice(0, 1).join('').toUpperCase();
  let sum = 0;
  for (const one of String(id)) sum = (sum * 31 + /** @type {number} */ (one.codePointAt(0))) % 9973;
  return html`<span class=${`avatar tone${sum % TONES}`} aria-hidden="true">${letters}</span>`;
}
