/* Times as the page wants them: its option `timeFormat`, of the parts YYYY YY MMMM MMM MM M DD D HH H hh h mm ss A. Loaded where a page has it. */
import {loader} from '../../../web/lib/loader.js';

/** @typedef {import('./widget.js').Comments} Comments */

const PARTS = /\[([^\]]*)\]|YYYY|YY|M{1,4}|DD?|HH?|hh?|mm|ss|A/g;

/**
 * @param {string} format
 * @param {string} lang
 * @param {Date} date
 */
export function written(format, lang, date) {
  const pad = (/** @type {number} */ n) => ('0' + n).slice(-2);
  const month = (/** @type {'long' | 'short'} */ how) =>
    // With the day beside it: in many languages a month has another form then.
    (
      new Intl.DateTimeFormat(lang, {month: how, day: 'numeric'})
        .formatToParts(date)
        .find(one => one.type === 'month') || {value: ''}
    ).value;
  const hours = date.getHours();
  const half = hours % 12 || 12;
  /** @type {Record<string, () => string | number>} */
  const parts = {
    YYYY: () => date.getFullYear(),
    YY: () => pad(date.getFullYear() % 100),
    MMMM: () => month('long'),
    MMM: () => month('short'),
    MM: () => pad(date.getMonth() + 1),
    M: () => date.getMonth() + 1,
    DD: () => pad(date.getDate()),
    D: () => date.getDate(),
    HH: () => pad(hours),
    H: () => hours,
    hh: () => pad(half),
    h: () => half,
    mm: () => pad(date.getMinutes()),
    ss: () => pad(date.getSeconds()),
    A: () => (hours < 12 ? 'AM' : 'PM'),
  };
  return format.replace(PARTS, (part, literal) => (literal === undefined ? '' + parts[part]() : literal));
}

/** @param {Comments} w */
export function useFormat(w) {
  const format = loader.text(/** @type {any} */ (w.o).timeFormat).slice(0, 60);
  const {times, t} = w;
  /** @param {HTMLElement} node */
  const dress = node => {
    const text = written(format, t.lang, new Date(/** @type {HTMLTimeElement} */ (node).dateTime));
    if (node.textContent !== text) node.textContent = text;
    return node;
  };
  const {node} = times;
  times.node = iso => dress(node(iso));
  times.refresh = root => root.querySelectorAll('time.mc-t').forEach(one => dress(/** @type {HTMLElement} */ (one)));
  times.refresh(w.node);
}
