/* Times as people say them, kept current: one timer a widget. */
import {el} from './dom.js';

/** @typedef {ReturnType<typeof makeTimes>} Times */

/** @type {[number, Intl.RelativeTimeFormatUnit, number][]} */
const STEPS = [
  [60, 'second', 1],
  [3600, 'minute', 60],
  [86400, 'hour', 3600],
  [604800, 'day', 86400],
  [2629800, 'week', 604800],
];
let ahead = 0;
let told = false;

/** The server's time in milliseconds: visitors' clocks are wrong by minutes, some by days. */
export const serverNow = () => Date.now() + ahead;

/**
 * Learns it from an answer. One that may come from a cache (not `sure`) can only say that it is later than we thought.
 * @param {Response} answer
 * @param {boolean} [sure]
 */
export function learnClock(answer, sure) {
  const by = Date.parse(/** @type {string} */ (answer.headers.get('Date'))) - Date.now();
  if (!(Math.abs(by) < 1e12)) return;
  ahead = told && !sure ? Math.max(ahead, by) : by;
  told = true;
}

/** @param {import('./i18n.js').Translate} t */
export function makeTimes(t) {
  const relative = new Intl.RelativeTimeFormat(t.lang, {numeric: 'auto', style: 'short'});
  const day = new Intl.DateTimeFormat(t.lang, {day: 'numeric', month: 'short'});
  const year = new Intl.DateTimeFormat(t.lang, {day: 'numeric', month: 'short', year: 'numeric'});
  const full = new Intl.DateTimeFormat(t.lang, {dateStyle: 'full', timeStyle: 'short'});

  /** @param {Date} date */
  function say(date) {
    const age = (serverNow() - +date) / 1000;
    if (age < 45) return t('now');
    for (let i = 1; i < STEPS.length; i++) {
      const [under, unit, seconds] = STEPS[i];
      if (age < under) return relative.format(-Math.max(1, Math.floor(age / seconds)), unit);
    }
    return (date.getFullYear() === new Date(serverNow()).getFullYear() ? day : year).format(date);
  }

  return {
    /** @param {string} iso */
    full: iso => full.format(new Date(iso)),
    /** @param {string} iso */
    node: iso => {
      const date = new Date(iso);
      return el('time.mc-t', {datetime: iso, title: full.format(date)}, say(date));
    },
    /** @param {Element} root */
    refresh: root => {
      root.querySelectorAll('time.mc-t').forEach(node => {
        const text = say(new Date(/** @type {HTMLTimeElement} */ (node).dateTime));
        if (node.textContent !== text) node.textContent = text;
      });
    },
  };
}
