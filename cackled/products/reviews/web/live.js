/* Live: what arrives, in place where that moves nothing, else behind "3 new reviews"; other orders, further pages, links to
   one review, and links that open the form. */
import {fromLink, openForm} from './form.js';
import {drawItem, isMine, photos} from './item.js';
import {beginQuestions} from './questions.js';
import {lookWhoComes} from './sign.js';
import {seqOf} from './store.js';
import {drawAll, drawCounts, drawFoot, drawOwn, notice, takePage} from './widget.js';
import {releaseHeight} from '../../../web/lib/height.js';
import {subscribe} from '../../../web/lib/live.js';
import {loader} from '../../../web/lib/loader.js';
import {reason} from '../../../web/lib/reasons.js';
import {learnClock} from '../../../web/lib/time.js';

/** @typedef {import('./store.js').Review} Review */
/** @typedef {import('./widget.js').Reviews} Reviews */

// Photos of the strip above the list.
const STRIP = 20;
// Milliseconds in which many readers of one page ask again.
const SPREAD = 2000;

/**
 * @param {Reviews} w
 * @param {string} position
 */
export function begin(w, position) {
  const o = /** @type {any} */ (w.o);
  lookWhoComes(w);
  releaseHeight(w);
  w.sub = subscribe(
    position,
    {
      event: m => onEvent(w, /** @type {any} */ (m)),
      status: state => {
        w.node.classList.toggle('mcr-off', state === 'down');
        if (state === 'refused') loader.warn('origin', w.site);
      },
      reset: seq => reload(w, seq),
      renew: w.session.renew,
    },
    w.session.grant() || (w.session.get('level') && w.session.view()) || undefined,
  );
  follow(w);
  w.listen(window, 'hashchange', () => follow(w));
  fillStrip(w);
  beginQuestions(w);
  if (o.open === true) openForm(w);
}

/** A link to one review, or one that opens the form. @param {Reviews} w */
function follow(w) {
  const id = /^#cr-(\d{1,19})$/.exec(location.hash);
  if (id) goTo(w, id[1]);
  else fromLink(w);
}

/**
 * @param {Reviews} w
 * @param {string} id
 */
async function goTo(w, id) {
  if (!w.nodes.has(id)) {
    try {
      const {review} = await w.api('GET', '/reviews/' + id);
      if (w.closed || review.kind !== 'review' || review.deleted) return;
      if (!w.store.shown.has(id)) w.store.shown = new Map([[id, review], ...w.store.shown]);
      drawAll(w);
    } catch (error) {
      return notice(w, reason(w.t, /** @type {any} */ (error)));
    }
  }
  const node = w.nodes.get(id);
  if (!node) return;
  node.scrollIntoView({block: 'center'});
  node.focus({preventScroll: true});
  flash(node);
}

/** @param {HTMLElement} node */
export function flash(node) {
  node.classList.add('mcr-fresh');
  setTimeout(() => node.classList.remove('mcr-fresh'), 2200);
}

/**
 * @param {Reviews} w
 * @param {import('./store.js').Message} m
 */
export function onEvent(w, m) {
  const {store} = w;
  const means = store.take(m);
  const id = m.data && (m.data.id || (m.data.review && m.data.review.id));
  if (!means) return;
  if (means === 'question') w.node.dispatchEvent(new CustomEvent('mcr-question', {detail: m.data.review}));
  if (means === 'voted') redraw(w, id);
  if (means === 'changed') {
    redraw(w, id);
    w.fire('edit', m.data.review);
  }
  if (means === 'new') {
    const review = m.data.review;
    if (m.type === 'review.created') w.fire('create', review);
    // One's own that others see now, and what comes where it moves nothing.
    if (isMine(w, review) || !store.shown.size || w.list.getBoundingClientRect().top > innerHeight) flush(w, true);
  }
  if (means === 'gone') {
    const node = w.nodes.get(id);
    if (node) node.remove();
    w.nodes.delete(id);
    w.fire('status', {id, status: 'deleted'});
    if (!store.shown.size) drawFoot(w);
  }
  // What became of one's own is told to its author alone.
  if (store.own.has(id) || (means === 'gone' && store.mine)) later(w, () => renewOwn(w));
  drawOwn(w);
  drawCounts(w);
  showPill(w);
}

/**
 * @param {Reviews} w
 * @param {() => void} f
 */
function later(w, f) {
  setTimeout(() => {
    if (!w.closed) f();
  }, Math.random() * SPREAD);
}

/** @param {Reviews} w */
async function renewOwn(w) {
  try {
    const answer = await loader.get(w.address(w.store.seq));
    const {me} = await answer.json();
    if (!me || w.closed) return;
    w.store.own = new Map(me.own.map((/** @type {Review} */ one) => [one.id, one]));
    drawOwn(w);
    drawCounts(w);
  } catch {
    // The next page tells.
  }
}

/**
 * @param {Reviews} w
 * @param {string} id
 */
export function redraw(w, id) {
  const node = w.nodes.get(id);
  const review = w.store.shown.get(id) || w.store.own.get(id);
  if (!node || !review) return;
  const inside = node.contains(document.activeElement);
  const pressed = inside && /** @type {Element} */ (document.activeElement).className;
  const made = drawItem(w, review);
  node.replaceWith(made);
  const again = pressed && [...made.querySelectorAll('.mc-press')].find(one => one.className === pressed);
  if (inside) /** @type {HTMLElement} */ (again || made).focus({preventScroll: true});
}

/** @param {Reviews} w */
export function showPill(w) {
  const n = w.store.waiting.size;
  w.pill.hidden = !n;
  if (n) w.pill.textContent = w.t('reviewFresh', {n});
}

/**
 * What has waited, above all others.
 * @param {Reviews} w
 * @param {boolean} [quiet] without going there
 */
export function flush(w, quiet) {
  const fresh = w.store.flush().map(one => drawItem(w, one));
  w.list.prepend(...fresh);
  fresh.forEach(flash);
  drawFoot(w);
  showPill(w);
  if (quiet || !fresh.length) return;
  fresh[0].scrollIntoView({block: 'center'});
  fresh[0].focus({preventScroll: true});
}

/**
 * @param {Reviews} w
 * @param {string | null} cursor
 */
const page = (w, cursor) => {
  const query = new URLSearchParams([
    ['channel', w.key],
    ['size', '' + (w.mounted.ask.size || 10)],
    ['readPreference', 'nearest'],
    ...(w.store.seq ? [['after', '' + w.store.seq]] : []),
    ...w.store.query(cursor),
  ]);
  return w.api('GET', '/reviews?' + query);
};

/** Another order, or another part. What was asked for last counts. @param {Reviews} w */
export async function resort(w) {
  const turn = ++w.asked;
  w.list.setAttribute('aria-busy', 'true');
  try {
    const data = await page(w, null);
    if (turn !== w.asked || w.closed) return;
    w.store.begin(data);
    // Quietly: who chose a filter stays with it.
    w.list.style.minHeight = Math.min(w.list.offsetHeight, innerHeight) + 'px';
    drawAll(w);
    showPill(w);
    w.bar.textContent = w.t('reviewFound', {n: w.store.shown.size});
  } catch (error) {
    if (turn === w.asked) notice(w, reason(w.t, /** @type {any} */ (error)));
  } finally {
    if (turn === w.asked) w.list.removeAttribute('aria-busy');
  }
}

/** @param {Reviews} w */
export async function nextPage(w) {
  const {cursor} = w.store;
  const turn = ++w.asked;
  if (!cursor) return;
  try {
    const data = await page(w, cursor);
    if (turn !== w.asked || w.closed) return;
    const fresh = w.store.append(data.page).map(one => drawItem(w, one));
    w.list.append(...fresh);
    w.list.style.minHeight = '';
    drawFoot(w);
    if (fresh.length) fresh[0].focus({preventScroll: true});
  } catch (error) {
    notice(w, reason(w.t, /** @type {any} */ (error)));
  }
}

/**
 * The server can't replay what was missed: all of it anew. Gives the number that is shown then.
 * @param {Reviews} w
 * @param {number} seq
 */
async function reload(w, seq) {
  const answer = await loader.get(w.address(seq));
  learnClock(answer);
  if (!answer.ok) throw answer;
  const data = await answer.json();
  if (w.closed) return seq;
  takePage(w, data);
  drawAll(w);
  showPill(w);
  if (w.store.narrowed) resort(w);
  return seqOf(data);
}

/**
 * Photos of all reviews in one row. Its room is kept from the start where there are any.
 * @param {Reviews} w
 */
async function fillStrip(w) {
  if (!w.store.summary.with_media) return;
  try {
    const query = new URLSearchParams({
      channel: w.key,
      media: '1',
      sort: 'new',
      size: '' + STRIP,
      readPreference: 'nearest',
    });
    const data = await w.api('GET', '/reviews?' + query);
    if (w.closed) return;
    const all = data.page.reviews.flatMap((/** @type {Review} */ one) => photos(w, one));
    const here = all.filter((/** @type {any} */ one) => one && one.localName === 'button').slice(0, STRIP);
    w.strip.replaceChildren(.../** @type {HTMLElement[]} */ (here));
    // All lie at other servers: there is nothing to see here.
    w.strip.classList.toggle('mcr-bare', !here.length);
    w.strip.setAttribute('role', 'group');
    w.strip.setAttribute('aria-label', w.t('reviewPhotosOf'));
  } catch {
    // They stand at their reviews.
  }
}
