/* Sending: the comment stands there at once, dimmed until acknowledged. Its entry carries one idempotency key through
   every retry, and through a reload of the tab. */
import {takeAway} from './actions.js';
import {keptOf} from './album.js';
import {makeComposer} from './composing.js';
import {flash} from './flash.js';
import {appendItem, branchOf, drawItem} from './item.js';
import {owns} from './judge.js';
import {onArrived, showPill, speak, watchSeen} from './arrivals.js';
import {addHidden, releaseHeld, removeItem} from './live.js';
import {seqOf} from './store.js';
import {focusOn, nameOf, showCounts} from './widget.js';
import {Named} from '../../../web/editor/named.js';
import {el, press} from '../../../web/lib/dom.js';
import {forgetDraft} from '../../../web/lib/drafts.js';
import {Promise} from '../../../web/lib/loader.js';
import {pageUrl} from '../../../web/lib/page_url.js';
import {mayPass, reason} from '../../../web/lib/reasons.js';
import {serverNow} from '../../../web/lib/time.js';
import {Unsent} from '../../../web/lib/unsent.js';

/** @typedef {import('./store.js').Comment} Comment */
/** @typedef {import('./store.js').Entry} Entry */
/** @typedef {import('./store.js').Item} Item */
/** @typedef {import('./widget.js').Comments} Comments */

// An answer may have run out, or been used, before it came.
const MOST_PROOFS = 3;

/** @param {Comments} w */
const unsent = w => new Unsent(() => ['out', w.site, w.key].join(':'));

/** @param {Comments} w */
export function keepUnsent(w) {
  unsent(w).keep([...w.store.items.values()].filter(item => item.c.pending).map(item => item.entry));
}

/** @param {Comments} w */
export function restoreUnsent(w) {
  const main = /** @type {import('./composer.js').Composer} */ (w.main);
  unsent(w)
    .stored()
    .forEach(entry => {
      if (main.input && !entry.parent && main.input.value.trim() === new Named().shown(entry.text)) main.set('');
      sendEntry(w, entry);
    });
}

/**
 * How long each box is open, from an empty one on; and a field in it that people don't see, and machines fill in.
 * @param {Comments} w
 */
export function watchForms(w) {
  w.listen(w.node, 'focusin', event => {
    const form = event.target.closest('.mc-form');
    const input = form && form.querySelector('.mc-input');
    if (!input || form.begun) return;
    form.begun = input.value ? 0 : Date.now();
    if (!form.trap) form.append((form.trap = el('input', {hidden: true, name: 'website', autocomplete: 'off'})));
  });
}

/**
 * @param {Comments} w
 * @param {any} entry
 * @param {boolean} [scroll]
 * @param {any} [form] it was written in
 */
export function sendEntry(w, entry, scroll, form) {
  const {store} = w;
  const parent = entry.parent ? store.items.get(entry.parent) : null;
  if (store.items.has(entry.key)) return;
  if (entry.parent && !parent) return;
  if (form && form.trap) {
    entry.website = form.trap.value || undefined;
    if (form.begun) entry.seconds = Math.round((Date.now() - form.begun) / 100) / 10;
    form.begun = 0;
  }
  /** @type {Comment} */
  const c = {
    id: entry.key,
    parent: entry.parent,
    root: undefined,
    author: {id: w.session.visitor() || '', name: entry.name},
    text: new Named().shown(entry.text),
    pending: true,
    media: entry.media && keptOf(entry.media).map(one => ({...one, url: one.src})),
    created: new Date(serverNow()).toISOString(),
    depth: parent ? (parent.c.depth || 0) + 1 : 0,
    score: 0,
    up: 0,
    down: 0,
  };
  const item = appendItem(w, c, parent, !parent && w.sort !== 'old');
  item.entry = entry;
  item.whole = true;
  showCounts(w);
  keepUnsent(w);
  flash(item);
  if (scroll && !parent && w.sort === 'old' && item.node.getBoundingClientRect().top > innerHeight * 1.5) {
    // Far below: no jump there, but a word, and the way.
    w.reader.own = item;
    watchSeen(w, item);
    showPill(w);
    speak(w, w.t('below'));
    focusOn(w.pill);
  } else if (scroll) {
    item.node.scrollIntoView({block: 'nearest'});
    focusOn(item.node);
  }
  postItem(w, item);
}

/**
 * What is not acknowledged, into a page that was loaded anew.
 * @param {Comments} w
 * @param {Item} item
 */
export function putBack(w, item) {
  const {key, parent: above} = item.entry;
  const parent = above ? w.store.items.get(above) : null;
  if (above && !parent) return;
  w.store.items.set(key, item);
  item.parent = parent || null;
  const list = parent ? branchOf(w, parent) : w.list;
  if (parent || w.sort === 'old') list.append(item.node);
  else list.prepend(item.node);
  showCounts(w);
}

/**
 * @param {Comments} w
 * @param {Item} item
 */
export function postItem(w, item) {
  const {key, parent, text, name} = item.entry;
  item.error = null;
  item.busy = true;
  drawItem(w, item);
  const channel = {key: w.key, url: pageUrl(w.o), title: w.o.title || document.title};
  const anyway = item.entry.anyway || undefined;
  const {website, seconds} = item.entry;
  const media = item.entry.media && keptOf(item.entry.media).map(one => one.id);
  const body = {channel, parent, text, name, anyway, website, seconds, proof: item.proof, media};
  w.api('POST', '/comments', {key, body}).then(
    data => onSent(w, item, data),
    error => {
      if (proves(w, item, error)) return;
      const problem = String((error.problem || {}).type)
        .split('/')
        .pop();
      item.error = error;
      // Asked to change it: sending it again says that they don't want to.
      item.again = item.entry.anyway = problem === 'nudge';
      if (problem === 'warned') readWarnings(w, item);
      item.busy = false;
      drawItem(w, item);
      speak(w, w.t('unsent'));
      releaseHeld(w);
    },
  );
}

/**
 * Refused until the browser has worked for it: it does, while the comment stands there as being sent, and the same is sent
 * again.
 * @param {Comments} w
 * @param {Item} item
 * @param {any} error
 * @returns {boolean} whether that is under way: a few times at most
 */
function proves(w, item, error) {
  item.proofs = (item.proofs || 0) + (error.status === 428 ? 1 : 0);
  if (error.status !== 428 || item.proofs > MOST_PROOFS) return false;
  // The part could not be loaded, most likely: as a call that did not reach the server.
  const failed = () => {
    item.proofs = 0;
    item.error = {status: 0};
    item.busy = false;
    drawItem(w, item);
    speak(w, w.t('unsent'));
    releaseHeld(w);
  };
  /** @param {string} proof */
  const done = proof => {
    item.proof = proof;
    postItem(w, item);
  };
  import('../../../web/lib/proof.js').then(m => m.solve(error.problem, done, failed), failed);
  return true;
}

/**
 * Acknowledged. Another way (an event, another tab) may have brought the comment already.
 * @param {Comments} w
 * @param {Item} item
 * @param {any} data
 */
function onSent(w, item, data) {
  const {store} = w;
  const {entry} = item;
  const at = seqOf(data);
  let c = data.comment;
  const other = store.items.get(c.id);
  const focused = item.node.contains(document.activeElement);
  const here = store.items.get(entry.key) === item;
  item.busy = false;
  forgetDraft(entry.draft, entry.text);
  owns(store, c, at);
  // Deleted before its answer came: what there is to see of it, events have told or will.
  const told = store.held.find(h => h.id === c.id) || store.waiting.get(c.id);
  if (told && told.deleted) c = Object.assign(c, told);
  else if (c.deleted || store.gone.has(c.id) || store.ghosts.has(c.id)) {
    if (here) removeItem(w, item);
    keepUnsent(w);
    showCounts(w);
    return releaseHeld(w);
  }
  if (here) store.items.delete(entry.key);
  store.waiting.delete(c.id);
  if (other) {
    item.node.remove();
    item = other;
    item.c.source = c.source;
    drawItem(w, item);
  } else if (!here) {
    // The page was loaded anew without what it answers.
    onArrived(w, c);
  } else {
    item.c = Object.assign(c, {more: 0});
    // A page that was loaded since said that it is there, and not that it is this one.
    const root = c.parent && store.items.get(c.root);
    if (root && at <= root.asof) addHidden(w, root, -1);
    item.seq = item.asof = at;
    item.node.id = 'mc-' + c.id;
    store.items.set(c.id, item);
    drawItem(w, item);
  }
  keepUnsent(w);
  if (focused) focusOn(item.node);
  showCounts(w);
  w.fire('create', c);
  const {share} = entry;
  // The boxes say it, where this part can't be loaded now.
  if (share) import('./networks.js').then(({shareItem}) => shareItem(w, item, share)).catch(() => {});
  releaseHeld(w);
  showPill(w);
}

/**
 * What moderators have to say: who sends again has read it.
 * @param {Comments} w
 * @param {Item} item
 */
function readWarnings(w, item) {
  w.api('GET', '/warnings', {mine: true}).then(
    answer => {
      item.again = answer.warnings;
      drawItem(w, item);
      speak(w, answer.warnings.map((/** @type {any} */ one) => one.body).join(' '));
    },
    () => {
      // Sending it again asks again.
    },
  );
}

/**
 * @param {Comments} w
 * @param {Item} item
 */
function sendAgain(w, item) {
  const read = warningsOf(item).map(one => w.api('POST', '/warnings/' + one.id + '/read'));
  Promise.all(read).then(
    () => {
      item.again = null;
      postItem(w, item);
    },
    () => {
      // They still have to be read.
    },
  );
}

/**
 * @param {Item} item
 * @returns {any[]}
 */
const warningsOf = item => (Array.isArray(item.again) ? item.again : []);

/**
 * What stands below a comment that is not acknowledged.
 * @param {Comments} w
 * @param {Item} item
 */
export function drawPending(w, item) {
  const {t} = w;
  const {acts, entry, error} = item;
  if (!error) return acts.append(el('span.mc-note', null, t('sending')));
  acts.append(
    el('span.mc-error', {role: 'alert'}, t('unsent') + ' ' + reason(t, error, true)),
    ...warningsOf(item).map(one => el('blockquote.mc-told', {dir: 'auto'}, one.body)),
    // Refused for good: asking again would be refused again.
    mayPass(error) || item.again
      ? press('mc-act.mc-retry', {onclick: () => (item.again ? sendAgain : postItem)(w, item)}, t('retry'))
      : '',
  );
  function gone() {
    removeItem(w, item);
    forgetDraft(entry.draft, entry.text);
    keepUnsent(w);
    showCounts(w);
  }
  function edit() {
    const to = w.store.items.get(entry.to) || item.parent;
    gone();
    if (to) openReply(w, to);
    const form = to ? to.form : w.main;
    form.set(entry.text);
    if (form.add && entry.media) form.add(keptOf(entry.media));
    form.input.focus();
  }
  // Where the conversation was closed there is no box to take it back to.
  if (!w.channel.locked) acts.append(press('mc-act', {onclick: edit}, t('edit')));
  acts.append(press('mc-act.mc-discard', {onclick: () => takeAway(w, item, 'discarded', gone)}, t('discard')));
}

/**
 * Back online: what failed for want of a connection is tried again by itself; the key makes that safe.
 * @param {Comments} w
 */
export function resendFailed(w) {
  w.store.items.forEach(item => {
    const {error} = item;
    if (item.c.pending && error && !item.going && (!error.status || error.status >= 500)) postItem(w, item);
  });
}

/**
 * @param {Comments} w
 * @param {Item} item
 */
export function openReply(w, item) {
  if (item.form) return item.form.input.focus();
  // Deeper than the site allows: an answer beside the comment, that names whom it answers.
  let parent = item;
  while (parent.parent && parent.depth >= w.settings.level) parent = parent.parent;
  const form = makeComposer(w, {
    parent,
    to: item,
    text: parent === item ? '' : '@' + nameOf(w, item.c.author) + ' ',
    done: () => {
      form.node.remove();
      item.form = null;
      focusOn(item.reply);
    },
  });
  item.form = form;
  item.slot.append(form.node);
  form.input.focus();
  w.fire('reply', {id: item.c.id});
}

/**
 * What is not acknowledged: its paragraphs, without marks.
 * @param {string} text
 */
export function plainText(text) {
  return text
    .trim()
    .split(/\n{2,}/)
    .map(part => {
      const p = el('p');
      part.split('\n').forEach((line, i) => p.append(i ? el('br') : '', line));
      return p;
    });
}
