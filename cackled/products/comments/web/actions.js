/* What can be done with a comment: edit, delete, report, block, copy the link. Loaded after the first render. */
import {keptOf} from './album.js';
import {makeComposer} from './composing.js';
import {followAuthor} from './follow.js';
import {drawItem} from './item.js';
import {speak} from './arrivals.js';
import {removeItem} from './live.js';
import {webAddress} from './place.js';
import {seqOf} from './store.js';
import {takeUpdate} from './vote.js';
import {focusOn, notice, showCounts} from './widget.js';
import {replyQuoting} from './wording.js';
import {press} from '../../../web/lib/dom.js';
import {Promise} from '../../../web/lib/loader.js';
import {openMenu as openMenuOf} from '../../../web/lib/menu.js';
import {openData} from '../../../web/lib/own_data.js';
import {reason} from '../../../web/lib/reasons.js';
import {save} from '../../../web/lib/storage.js';
import {isOff} from '../../../web/lib/values.js';

/** @typedef {import('./store.js').Item} Item */
/** @typedef {import('./widget.js').Comments} Comments */

const LINK = 'M8.5 11.5l3-3M9 6l1.5-1.5a3.5 3.5 0 0 1 5 5L14 11M11 14l-1.5 1.5a3.5 3.5 0 0 1-5-5L6 9';
const SHARE = 'M4 11v5h12v-5M10 3v9M6.5 6.5L10 3l3.5 3.5';
const QUOTE = 'M8 6H4v4h4zm0 4c0 2-1 3.5-3 4M16 6h-4v4h4zm0 4c0 2-1 3.5-3 4';
const TRASH = 'M4 6h12M8 6V4h4v2M6 6l.7 10h6.6L14 6';
const FLAG = 'M5 17V4h9l-2 3 2 3H5';
const PERSON = 'M10 9.5a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM4 16.5a6 6 0 0 1 9-4.6M15.5 12.5v5M13 15h5';
const BLOCK = 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM5 5l10 10';

/**
 * @param {Comments} w
 * @param {Item} item
 * @param {boolean} mine
 */
export function openMenu(w, item, mine) {
  const {t} = w;
  const copy = {icon: LINK, words: t('copy'), act: () => copyLink(w, item)};
  // Another menu in its place. A comment that nobody else sees is not shared, nor one of a page that few may read.
  const {shareSocial} = /** @type {any} */ (w.o);
  const choose = () =>
    import('./share.js').then(
      m => openMenuOf(item.more, m.shareChoices(shareSocial, item.c.id, item.text ? item.text.innerText : '')),
      () => notice(w, t('network')),
    );
  const share =
    isOff(shareSocial) || item.c.state || w.o.token ? [] : [{icon: SHARE, words: t('share') + ' …', act: choose}];
  const erase = {icon: TRASH, words: t('delete'), act: () => eraseComment(w, item)};
  const {author} = item.c;
  const name = (author && author.name) || t('guest');
  const follow = {icon: PERSON, words: t('followPerson', {name}), act: () => followAuthor(w, author)};
  const flag = {icon: FLAG, words: t('flag'), act: () => flagComment(w, item)};
  const block = {icon: BLOCK, words: t('block'), act: () => blockAuthor(w, item, true)};
  const quote = {icon: QUOTE, words: t('quote'), act: () => replyQuoting(w, item, true)};
  const last = item.reply ? [quote] : [];
  // Who signed in has this in the profile.
  const data = {icon: PERSON, words: t('myData'), act: () => openData(w.session, () => notice(w, t('network')))};
  // Where it can only be read, what needs no server.
  openMenuOf(
    item.more,
    w.reading
      ? [copy, ...share]
      : mine
        ? [copy, ...share, erase, ...last, ...(w.session.person() ? [] : [data])]
        : [copy, ...share, ...last, follow, flag, block],
  );
}

/**
 * @param {Comments} w
 * @param {Item} item
 */
function copyLink(w, item) {
  const show = () => {
    location.hash = 'mc-' + item.c.id;
  };
  Promise.resolve(navigator.clipboard && navigator.clipboard.writeText(webAddress(item.c.id))).then(() => {
    if (navigator.clipboard) notice(w, w.t('copied'));
    else show();
  }, show);
}

/**
 * @param {Comments} w
 * @param {Item} item
 */
function flagComment(w, item) {
  w.api('POST', '/comments/' + item.c.id + '/flags', {body: {reason: ''}}).then(
    () => notice(w, w.t('flagged')),
    error => notice(w, reason(w.t, error)),
  );
}

/**
 * @param {Comments} w
 * @param {Item} item
 * @param {boolean} yes
 */
export function blockAuthor(w, item, yes) {
  const author = item.c.author.id;
  /** @param {boolean} on */
  function apply(on) {
    w.store.blocked[on ? 'add' : 'delete'](author);
    w.store.items.forEach(other => {
      if (other.c.author && other.c.author.id === author) {
        other.shown = false;
        drawItem(w, other);
      }
    });
  }
  apply(yes);
  focusOn(item.node);
  w.api(yes ? 'PUT' : 'DELETE', '/blocks/' + author).catch(error => {
    apply(!yes);
    notice(w, reason(w.t, error));
  });
}

/**
 * Takes an item away for a while in which that can be undone; then, or when the page goes, `commit(leaving)` does it.
 * @param {Comments} w
 * @param {Item} item
 * @param {string} words
 * @param {(leaving?: boolean) => void} commit
 */
export function takeAway(w, item, words, commit) {
  if (item.going) return;
  item.going = {words, commit, timer: setTimeout(() => finishAway(w, item), w.undo)};
  drawItem(w, item);
  focusOn(item.body.querySelector('.mc-undo'));
  speak(w, w.t(words));
}

/**
 * @param {Comments} w
 * @param {Item} item
 */
function undoAway(w, item) {
  if (!item.going || item.going.sent) return;
  clearTimeout(item.going.timer);
  item.going = null;
  drawItem(w, item);
  focusOn(item.more || item.node);
}

/**
 * What stands in the place of a comment that was taken away, and not yet for good.
 * @param {Comments} w
 * @param {Item} item
 * @returns {import('../../../web/lib/dom.js').Child[]}
 */
export function awayWords(w, item) {
  const {t} = w;
  const {going} = item;
  return [
    going && t(going.words) + ' ',
    going && !going.sent && press('mc-act.mc-undo', {onclick: () => undoAway(w, item)}, t('undo')),
  ];
}

/**
 * @param {Comments} w
 * @param {Item} item
 * @param {boolean} [leaving]
 */
export function finishAway(w, item, leaving) {
  const {going} = item;
  const focused = item.body.contains(document.activeElement);
  if (!going || going.sent) return;
  clearTimeout(going.timer);
  going.sent = true;
  if (w.store.items.get(item.c.id) !== item) return;
  drawItem(w, item);
  if (focused) focusOn(item.node);
  going.commit(leaving);
}

/**
 * @param {Comments} w
 * @param {Item} item
 */
export function eraseComment(w, item) {
  const {id} = item.c;
  takeAway(w, item, 'deleted', async leaving => {
    try {
      const data = await w.api('DELETE', '/comments/' + id, {keepalive: leaving});
      save(['edit', w.site, w.key, id].join(':'), null);
      w.store.tally.own(-1, seqOf(data));
      showCounts(w);
      w.fire('status', {id, status: 'deleted'});
      if (w.store.items.get(id) !== item || item.c.deleted) return;
      removeItem(w, item, !!(item.list && item.list.firstChild));
      showCounts(w);
    } catch (error) {
      if (!item.going) return;
      const words = reason(w.t, /** @type {any} */ (error));
      item.going = null;
      drawItem(w, item);
      notice(w, words);
      speak(w, words);
    }
  });
}

/**
 * @param {Comments} w
 * @param {Item} item
 */
export async function openEdit(w, item) {
  const path = '/comments/' + item.c.id;
  if (item.edit) return item.edit.input.focus();
  if (item.opening) return;
  item.opening = true;
  try {
    const c = item.c.source != null ? item.c : (await w.api('GET', path, {mine: true})).comment;
    const form = makeComposer(w, {
      edit: item,
      text: c.source,
      pictures: keptOf(c.media),
      done: close,
      why: error => reason(w.t, error, true),
      send: async (text, media) => {
        const data = await w.api('PATCH', path, {body: {text, media}});
        close();
        takeUpdate(w, item, data.comment, seqOf(data));
        w.fire('edit', data.comment);
      },
    });
    function close() {
      form.node.remove();
      item.edit = null;
      if (w.store.items.has(item.c.id)) drawItem(w, item);
      focusOn(item.editButton);
    }
    item.edit = form;
    item.text.hidden = item.acts.hidden = true;
    if (item.album) item.album.hidden = true;
    item.text.before(form.node);
    form.input.focus();
  } catch (error) {
    notice(w, reason(w.t, /** @type {any} */ (error)));
  } finally {
    item.opening = false;
  }
}
