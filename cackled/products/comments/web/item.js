/* One comment: its nodes, where it hangs, and how it changes in place. */
import {avatarOf} from './face.js';
import {drawReactions} from './reactions.js';
import {isFresh} from './visits.js';
import {badgeOf, focusOn, isMine, isMute, nameOf, pinnedOf, whenReady} from './widget.js';
import {el, icon, press} from '../../../web/lib/dom.js';
import {safeHtml} from '../../../web/lib/html.js';
import {serverNow} from '../../../web/lib/time.js';

/** @typedef {import('./store.js').Comment} Comment */
/** @typedef {import('./store.js').Item} Item */
/** @typedef {import('./widget.js').Comments} Comments */

// From about so many characters on a text is folded; a line counts as fifty.
const LONG = 1100;

/**
 * Adds a comment with its replies.
 * @param {Comments} w
 * @param {Comment} c
 * @param {Item | null} [parent] none: a root
 * @param {boolean} [first] before the others
 * @returns {Item}
 */
export function appendItem(w, c, parent, first) {
  const {seq, items, waiting} = w.store;
  const node = el('div.mc-c', {role: 'listitem', id: 'mc-' + c.id, tabindex: -1});
  const item = /** @type {Item} */ ({
    c,
    parent: parent || null,
    depth: parent ? parent.depth + 1 : 0,
    seq,
    asof: seq,
    node,
    pinned: pinnedOf(w).includes(c.id),
  });
  if (item.depth > w.level) node.classList.add('mc-flat');
  items.set(c.id, item);
  waiting.delete(c.id);
  drawItem(w, item);
  const list = parent ? branchOf(w, parent) : w.list;
  if (first) list.prepend(node);
  else list.append(node);
  // What staff and the page's author answer stands first.
  /** @type {Comment[]} */
  const replies = c.replies || [];
  const lifted = parent ? [] : replies.filter(isLifted);
  [...lifted, ...replies.filter(r => !lifted.includes(r))].forEach(r => appendItem(w, r, item));
  if (c.more) showMoreReplies(w, item);
  if ((w.folded.has(c.id) || (!parent && replies.length > w.most)) && item.list) collapse(w, item, true, true);
  if (w.onItem) w.onItem(item);
  return item;
}

/** @param {Comment} c */
const isLifted = c =>
  !c.deleted && ((c.author && c.author.badges) || []).some((/** @type {string} */ one) => /^(staff|author)$/.test(one));

/**
 * Brings back what windowing.js has put away.
 * @param {Item} item
 */
export function wake(item) {
  if (!item.away) return;
  item.node.append(item.away);
  item.node.style.height = '';
  item.away = null;
}

/**
 * The list of replies of an item, with the line that folds it.
 * @param {Comments} w
 * @param {Item} item
 */
export function branchOf(w, item) {
  if (!item.list) {
    wake(item);
    const label = w.t('collapse', {name: nameOf(w, item.c.author)});
    item.list = el('div.mc-replies', {role: 'list'});
    item.line = press('mc-thread', {
      'aria-expanded': 'true',
      'aria-label': label,
      title: label,
      onclick: () => collapse(w, item, true),
    });
    item.nest = el('div.mc-nest', null, item.line, item.list);
    if (item.depth >= w.level) item.nest.classList.add('mc-flat');
    item.node.append(item.nest);
    item.node.classList.add('mc-has');
  }
  return item.list;
}

/**
 * @param {Comments} w
 * @param {Item} item
 * @param {boolean} fold
 * @param {boolean} [again] as it was when the reader was here last
 */
export function collapse(w, item, fold, again) {
  wake(item);
  w.folded[fold ? 'add' : 'delete'](item.c.id);
  if (w.keepVisit && !again) w.keepVisit();
  item.node.classList.toggle('mc-collapsed', fold);
  if (item.unfold) item.unfold.remove();
  if (!fold) return focusOn(item.line);
  // Not those in the page: some may be away.
  /** @type {(one: Item | null) => unknown} */
  const below = one => one && (one.parent === item || below(one.parent));
  const n = [...w.store.items.values()].filter(below).length + (item.c.more || 0);
  const words = w.t('replies', {n});
  item.unfold = press(
    'mc-more.mc-unfold',
    {'aria-expanded': 'false', 'aria-label': w.t('expand') + ', ' + words, onclick: () => collapse(w, item, false)},
    words,
  );
  item.node.append(item.unfold);
  if (!again) focusOn(item.unfold);
}

/**
 * @param {Comments} w
 * @param {Item} item
 */
export function showMoreReplies(w, item) {
  if (item.rest) item.rest.remove();
  item.rest = null;
  if (!item.c.more) return;
  branchOf(w, item);
  /** @type {HTMLElement} */
  const button = press(
    'mc-more',
    {onclick: () => whenReady(w, later => later.loadReplies(w, item, button))},
    w.t('moreReplies', {n: item.c.more}),
  );
  item.nest.append((item.rest = button));
}

/**
 * (Re)draws the comment itself; replies and an open reply form stay as they are.
 * @param {Comments} w
 * @param {Item} item
 */
export function drawItem(w, item) {
  const {c, node} = item;
  const {t} = w;
  const blocked = c.author && w.store.blocked.has(c.author.id) && !item.shown;
  item.text = item.edit = null;
  node.classList.toggle('mc-sending', !!(c.pending && !item.error));
  node.classList.toggle('mc-gone', !!(c.deleted || blocked || item.going));
  /** @param {import('../../../web/lib/dom.js').Child[]} what */
  const note = (...what) =>
    el('div.mc-body', null, avatarOf(null), el('div.mc-main', null, el('div.mc-note', null, what)));
  let body;
  if (c.deleted || !c.author) {
    body = note(t('deleted'));
  } else if (item.going && w.later) {
    body = note(w.later.awayWords(w, item));
  } else if (blocked) {
    const show = () => {
      item.shown = true;
      drawItem(w, item);
    };
    body = note(
      t('blocked') + ' ',
      press('mc-act', {onclick: show}, t('show')),
      press('mc-act', {onclick: () => whenReady(w, later => later.blockAuthor(w, item, false))}, t('unblock')),
    );
  } else {
    body = drawBody(w, item);
    drawActions(w, item);
    shorten(w, item);
  }
  if (item.body) item.body.replaceWith(body);
  else node.prepend(body);
  item.body = body;
}

/**
 * @param {Comments} w
 * @param {Item} item
 */
function drawBody(w, item) {
  const {c, parent} = item;
  const {t} = w;
  const name = nameOf(w, c.author);
  const text = el('div.mc-text', null, c.pending && w.later ? w.later.plainText(c.text) : safeHtml(c.html));
  // Each paragraph in its own direction, all beside the face.
  [...text.children].forEach(node => {
    /** @type {HTMLElement} */ (node).dir = 'auto';
  });
  text.querySelectorAll('pre').forEach(node => {
    node.tabIndex = 0;
  });
  text.querySelectorAll('.mc-spoiler').forEach(node => {
    // Hidden as an element, and not by its colour alone.
    node.replaceChildren(el('span', null, [...node.childNodes]));
    const attributes = {role: 'button', tabindex: '0', 'aria-label': t('spoiler'), 'aria-expanded': 'false'};
    Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, value));
  });
  item.album = (c.media || (c.links || []).some(one => !one.video)) && el('div.mc-album');
  if (c.media || /language-|mention-|\[poll \d|<a/.test(c.html)) whenReady(w, later => later.enrich(w, item));
  item.text = text;
  item.acts = el('div.mc-acts');
  item.slot = item.slot || el('div.mc-slot');
  // At the last level an answer hangs beside what it answers, and says in its words whom it means.
  const to =
    item.depth > w.level &&
    parent &&
    parent.c.author &&
    !(c.depth >= w.settings.level && /^(<p>)?@/.test(c.html || c.text)) &&
    el('span.mc-to', null, t('to', {name: '\u2068' + nameOf(w, parent.c.author) + '\u2069'}));
  const here = document.querySelector('base[href]') ? location.href.split('#')[0] : '';
  return el(
    'div.mc-body',
    {role: 'article', 'aria-label': name},
    avatarOf(c.author),
    el(
      'div.mc-main',
      null,
      el(
        'div.mc-head',
        null,
        drawName(w, c.author, name),
        isMine(w, c) && el('span.mc-badge', null, t('you')),
        (c.author.badges || []).map((/** @type {string} */ one) => badgeOf(w, one)),
        to,
        !c.pending && !isMine(w, c) && isFresh(w, c) && el('span.mc-badge.mc-isnew', null, t('isNew')),
        el('a.mc-time', {href: here + '#mc-' + c.id}, w.times.node(c.created)),
        c.state && el('span.mc-waits', null, t('waits')),
        item.pinned && el('span.mc-badge', null, t('pinned')),
        c.featured && el('span.mc-badge', null, t('featured')),
        c.edited && el('span.mc-edited', {title: t('editedAt', {time: w.times.full(c.edited)})}, t('edited')),
      ),
      text,
      item.album,
      item.acts,
      item.slot,
    ),
  );
}

/**
 * Of people who signed in the name opens their card.
 * @param {Comments} w
 * @param {any} author
 * @param {string} name
 */
function drawName(w, author, name) {
  const node = el(name === w.t('guest') ? 'bdi.mc-name.mc-guest' : 'bdi.mc-name', {dir: 'auto'}, name);
  if (!author.badges) return node;
  const onclick = () => whenReady(w, later => later.showProfile(w, open, author));
  /** @type {HTMLElement} */
  const open = press('mc-author', {'aria-haspopup': 'dialog', onclick}, node);
  return el('span.mc-who-wrote', null, open);
}

/**
 * A long text is folded, and opens by its button or when something within it is focused.
 * @param {Comments} w
 * @param {Item} item
 */
function shorten(w, item) {
  const {text} = item;
  const all = text.textContent;
  const lines = all.split('\n').length + text.querySelectorAll('p, br, li').length;
  if (item.whole || item.c.pending || all.length + 50 * lines < LONG) return;
  function open() {
    item.whole = true;
    text.classList.remove('mc-cut');
    if (document.activeElement === button) focusOn(item.node);
    button.remove();
  }
  text.classList.add('mc-cut');
  text.addEventListener('focusin', open, {once: true});
  const button = press('mc-more.mc-all', {'aria-expanded': 'false', onclick: open}, w.t('all'));
  text.after(button);
}

/**
 * @param {Comments} w
 * @param {Item} item
 */
function drawActions(w, item) {
  const {c, acts} = item;
  const {t} = w;
  const value = w.store.votes[c.id] || 0;
  const mine = isMine(w, c);
  const of = {name: nameOf(w, c.author)};
  if (c.pending) {
    if (w.later) w.later.drawPending(w, item);
    return;
  }
  acts.setAttribute('role', 'toolbar');
  acts.setAttribute('aria-label', t('acts', of));
  /**
   * @param {string} kind
   * @param {string} label
   * @param {() => void} onclick
   * @param {import('../../../web/lib/dom.js').Attributes} more
   */
  const button = (kind, label, onclick, more) =>
    press('mc-act.mc-' + kind, {onclick, ...more}, icon(kind), label && el('span.mc-label', null, label));
  item.up = item.down = item.score = null;
  // Nobody else sees it yet: there is nothing to vote.
  if (!c.state && w.settings.votes !== false && !w.o.ratingOff) {
    const score = el('span.mc-score', {'aria-label': t('score') + ' ' + c.score, role: 'img'}, t.number(c.score));
    item.score = score;
    if (mine || isMute(w)) {
      acts.append(el('span.mc-votes.mc-own', {title: t('score')}, icon('up'), score));
    } else {
      /** @param {number} by */
      const vote = by => () => whenReady(w, later => later.castVote(w, item, by));
      const up = {'aria-label': t('upOf', of), title: t('up'), 'aria-pressed': '' + (value > 0)};
      const down = {'aria-label': t('downOf', of), title: t('down'), 'aria-pressed': '' + (value < 0)};
      item.up = button('up', '', vote(1), up);
      item.down = button('down', '', vote(-1), down);
      acts.append(el('span.mc-votes', null, item.up, score, item.down));
    }
  }
  const reacts = drawReactions(w, item);
  if (!w.channel.locked && !isMute(w) && !c.state && !c.locked) {
    const reply = () => whenReady(w, later => later.replyQuoting(w, item));
    item.reply = button('reply', t('reply'), reply, {'aria-label': t('replyTo', of)});
    acts.append(item.reply);
  }
  if (mine && !isMute(w) && !tooLate(w, c)) {
    item.editButton = button('edit', t('edit'), () => whenReady(w, later => later.openEdit(w, item)), {});
    acts.append(item.editButton);
  }
  if (reacts) acts.append(reacts);
  // Rarer actions.
  item.more = button('more', '', () => whenReady(w, later => later.openMenu(w, item, mine)), {
    'aria-label': t('acts', of),
    title: t('more'),
    'aria-haspopup': 'menu',
    'aria-expanded': 'false',
  });
  acts.append(el('span.mc-morebox', null, item.more));
  // One stop of the Tab key; within it arrows move (lib/menu.js).
  acts.querySelectorAll('.mc-press').forEach((/** @type {HTMLElement} */ node, /** @type {number} */ i) => {
    node.tabIndex = i ? -1 : 0;
  });
}

/**
 * Whether a comment can't be edited any more.
 * @param {Comments} w
 * @param {Comment} c
 */
function tooLate(w, c) {
  const seconds = w.settings.edit_seconds;
  return seconds != null && serverNow() - +new Date(c.created) > seconds * 1000;
}
