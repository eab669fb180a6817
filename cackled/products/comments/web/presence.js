/* Who is here, and who is writing. */
import {nameOf} from './widget.js';

/** @typedef {import('./widget.js').Comments} Comments */

/**
 * @param {Comments} w
 * @param {number} count
 * @param {string[]} [names]
 */
export function showPresence(w, count, names) {
  const many = count > 1 && w.settings.presence !== false;
  w.online.classList.toggle('mc-on', many);
  if (!many) return;
  const words = w.t('online', {n: count});
  w.long.textContent = words;
  w.online.title = words + (names ? ': ' + names.join(', ') + (count > names.length ? ' …' : '') : '');
  w.short.textContent = w.t.number(count);
}

/**
 * Tells the others that somebody types here.
 * @param {Comments} w
 * @param {string} name
 */
export function tellTyping(w, name) {
  if (w.settings.typing === false || !w.sub || Date.now() - w.reader.told < 3000) return;
  w.reader.told = Date.now();
  w.sub.send({type: 'typing', name: name || 'Guest'});
}

/**
 * Who has written is not writing any more, under their name or before they gave one.
 * @param {Comments} w
 * @param {string} name
 */
export function hasWritten(w, name) {
  delete w.reader.writers[name];
  delete w.reader.writers.Guest;
  showTyping(w);
}

/**
 * @param {Comments} w
 * @param {string} [name] who types too
 */
export function showTyping(w, name) {
  const {t} = w;
  const {writers} = w.reader;
  const now = Date.now();
  if (name) writers[name] = now + 5000;
  Object.keys(writers).forEach(one => {
    if (!(writers[one] > now)) delete writers[one];
  });
  const names = Object.keys(writers)
    .filter(one => one !== w.session.get('name'))
    .map(one => nameOf(w, {name: one}));
  const [first, second] = names;
  w.typing.textContent = !first
    ? ''
    : !second
      ? t('typing1', {name: first})
      : names.length === 2
        ? t('typing2', {name: first, other: second})
        : t('typingMany');
  w.typing.classList.toggle('mc-on', !!first);
  clearTimeout(w.timers.typing);
  if (first) w.timers.typing = setTimeout(() => showTyping(w), 1500);
}
