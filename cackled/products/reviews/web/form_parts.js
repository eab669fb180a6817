/* Parts of the form: stars to pick, what it begins with, and what is said of an order. */
import {star} from './stars.js';
import {el} from '../../../web/lib/dom.js';
import {loader} from '../../../web/lib/loader.js';
import {tabStorage} from '../../../web/lib/storage.js';
import {asObject, uid} from '../../../web/lib/values.js';

/** @typedef {import('./widget.js').Reviews} Reviews */

/** Under what the token of an order is kept for this tab. @param {Reviews} w */
export const orderKey = w => ['order', w.site, w.key].join(':');

const WORDS = ['', 'reviewStar1', 'reviewStar2', 'reviewStar3', 'reviewStar4', 'reviewStar5'];

/**
 * A group of radio buttons that are stars: by pointer, by arrow keys, and to be read out.
 * @param {Reviews} w
 * @param {string} label
 * @param {number} value
 * @param {(value: number) => void} onchange
 * @param {boolean} [large]
 */
export function starField(w, label, value, onchange, large) {
  const {t} = w;
  const name = 'mc-star-' + uid();
  const word = el('span.mcr-word', {'aria-hidden': 'true'});
  /** @param {number} n */
  const show = n => {
    /** @type {HTMLElement[]} */ ([...row.querySelectorAll('.mcr-pick')]).forEach((one, i) =>
      one.classList.toggle('mcr-on', i < n),
    );
    word.textContent = n ? t(WORDS[n]) : '';
  };
  const row = el(
    'span.mcr-picks',
    {onpointerleave: () => show(value)},
    [1, 2, 3, 4, 5].map(n =>
      el(
        'label.mcr-pick',
        {onpointerenter: (/** @type {PointerEvent} */ event) => event.pointerType === 'mouse' && show(n)},
        el('input', {
          type: 'radio',
          name,
          value: n,
          checked: n === value,
          'aria-label': t('reviewStars', {n}) + ', ' + t(WORDS[n]),
          onchange: () => {
            value = n;
            show(n);
            onchange(n);
          },
        }),
        star(),
      ),
    ),
  );
  const id = 'mcl-' + uid();
  const node = el(
    'div.mcr-field.mcr-starfield' + (large ? '.mcr-big' : ''),
    {role: 'radiogroup', 'aria-labelledby': id},
    el('span.mcr-label', {id, dir: 'auto'}, label),
    el('span.mcr-pickline', null, row, word),
  );
  show(value);
  return node;
}

/** What the form begins with of one's own review, or of what waits to take its place. @param {any} mine */
export function own(mine) {
  const of = {...mine, ...mine.revision};
  return {
    star: of.star,
    title: of.title,
    pros: of.pros,
    cons: of.cons,
    text: of.text || '',
    recommend: of.recommend,
    criteria: {...of.criteria},
    attributes: {...of.attributes},
    variant: of.variant,
    experienced: of.experienced || '',
    media: (of.media || [])
      .filter((/** @type {any} */ one) => !one.id)
      .map((/** @type {any} */ one) => one.url || one.link),
    pictures: (of.media || [])
      .filter((/** @type {any} */ one) => one.id)
      .map((/** @type {any} */ one) => ({id: one.id, src: one.url, color: one.color, alt: one.alt})),
  };
}

/**
 * A draft, whatever stands there: each part of the type that it should be.
 * @param {string} text
 */
export function stored(text) {
  /** @type {Record<string, any>} */
  const out = {};
  let kept;
  try {
    kept = asObject(JSON.parse(text));
  } catch {
    return out;
  }
  ['title', 'pros', 'cons', 'text', 'variant', 'experienced'].forEach(part => {
    if (typeof kept[part] === 'string') out[part] = kept[part];
  });
  if ([1, 2, 3, 4, 5].includes(kept.star)) out.star = kept.star;
  if (typeof kept.recommend === 'boolean') out.recommend = kept.recommend;
  out.criteria = {...asObject(kept.criteria)};
  out.attributes = {...asObject(kept.attributes)};
  if (Array.isArray(kept.pictures)) {
    out.pictures = kept.pictures
      .map(asObject)
      .filter((/** @type {any} */ one) => /^\d+-[\w-]{22}$/.test(one.id) && /^\/media\//.test(one.src))
      .map((/** @type {any} */ one) => ({id: one.id, src: one.src, color: '', alt: loader.text(one.alt)}));
  }
  if (Array.isArray(kept.media)) out.media = kept.media.map(loader.text).filter((/** @type {string} */ one) => one);
  return out;
}

/** @param {Reviews} w */
export const titleOf = w =>
  loader.text(asObject(/** @type {any} */ (w.o).product).name).slice(0, 200) || w.o.title || document.title;

/**
 * Whether the link's order is good, in words.
 * @param {Reviews} w
 * @param {HTMLElement} form
 */
export async function tellOrder(w, form) {
  const line = form.querySelector('.mcr-order');
  if (!line) return;
  try {
    const order = await w.api('POST', '/reviews/order', {body: {token: w.order}});
    const one = order.products.find((/** @type {{key: string}} */ product) => product.key === w.key);
    // Nothing is promised that sending the review would not keep.
    if (!one || one.used) return forgetOrder(w, form, one ? 'order-used' : 'order-product');
    line.textContent = w.t('reviewFromOrder');
    const input = /** @type {any} */ (form.querySelector('[name=mc-name]'));
    if (input && !input.value && loader.text(order.name)) {
      input.value = order.name;
      input.dispatchEvent(new Event('input'));
    }
  } catch (e) {
    const {status} = /** @type {any} */ (e);
    if (!status || status > 499) return;
    forgetOrder(w, form, 'order-token');
  }
}

/**
 * The link's order is no good, and why; the review can be sent without it.
 * @param {Reviews} w
 * @param {HTMLElement} form
 * @param {string} [slug]
 */
export function forgetOrder(w, form, slug) {
  const line = form.querySelector('.mcr-order');
  w.order = '';
  tabStorage.set(orderKey(w), null);
  if (line) line.textContent = slug ? w.t.problem(slug) : '';
}
