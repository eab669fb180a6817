/* The figures: one large number, stars, how many of each as bars that filter, how many recommend it, criteria. */
import {share} from './store.js';
import {star, stars} from './stars.js';
import {outOf} from './summary_words.js';
import {narrow} from './widget.js';
import {el} from '../../../web/lib/dom.js';

/** @typedef {import('./widget.js').Reviews} Reviews */

/**
 * A thin bar that is as long as its share.
 * @param {number} part of 1
 */
export function bar(part) {
  const fill = el('span.mcr-fill');
  fill.style.width = Math.min(100, part * 100) + '%';
  return el('span.mcr-line', {'aria-hidden': 'true'}, fill);
}

/** @param {Reviews} w */
export function drawSummary(w) {
  const {t, store, figures} = w;
  const {count, average, histogram, recommend, recommend_of: of, criteria} = store.summary;
  figures.hidden = !count;
  if (!count || average === null) return;
  const focused = figures.contains(document.activeElement) && document.activeElement;
  const kept = focused && focused.getAttribute('data-star');
  const one = new Intl.NumberFormat(t.lang, {minimumFractionDigits: 1, maximumFractionDigits: 1});
  const percent = new Intl.NumberFormat(t.lang, {style: 'percent'});
  /** @param {number} n */
  const row = n => {
    const on = store.stars.includes(n);
    const words = t('reviewStars', {n}) + ': ' + t('reviewCount', {n: histogram[n - 1]});
    return el(
      'button.mcr-row',
      {
        'data-star': n,
        'aria-pressed': '' + on,
        onclick: () =>
          narrow(w, {stars: on ? store.stars.filter(other => other !== n) : [...store.stars, n].sort((a, b) => b - a)}),
      },
      el('span.mcr-hidden', null, words),
      el('span.mcr-n', {'aria-hidden': 'true'}, t.number(n), star()),
      bar(share(store.summary, n)),
      el('span.mcr-count', {'aria-hidden': 'true'}, t.number(histogram[n - 1])),
    );
  };
  const named = (w.settings.criteria || []).filter((/** @type {any} */ c) => criteria[c.id] && criteria[c.id].count);
  figures.replaceChildren(
    el(
      'div.mcr-big',
      null,
      el('div.mcr-number', null, one.format(average)),
      stars(average, outOf(t, average)),
      el('div.mcr-total', null, t('reviewCount', {n: count})),
      of > 0 && el('div.mcr-total', null, t('reviewRecommend', {value: percent.format(recommend / of)})),
    ),
    el('div.mcr-rows', {role: 'group', 'aria-label': t('reviewFilter')}, [5, 4, 3, 2, 1].map(row)),
  );
  if (named.length)
    figures.append(
      el(
        'div.mcr-criteria',
        null,
        named.map((/** @type {any} */ c) =>
          el(
            'div.mcr-criterion',
            null,
            el('span', {dir: 'auto'}, c.name),
            el('span.mcr-value', null, one.format(criteria[c.id].average)),
            bar(criteria[c.id].average / 5),
          ),
        ),
      ),
    );
  const again = kept && figures.querySelector(`[data-star="${kept}"]`);
  if (again) /** @type {HTMLElement} */ (again).focus({preventScroll: true});
}
