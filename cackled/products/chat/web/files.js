/* Pictures and files in messages: chosen, dropped or pasted, they stand above the composer until the message is sent. */
import {el} from '../../../web/lib/dom.js';
import {loader} from '../../../web/lib/loader.js';
import {reason} from '../../../web/lib/reasons.js';
import {tabStorage} from '../../../web/lib/storage.js';
import {asObject} from '../../../web/lib/values.js';

/** @typedef {import('./conversation.js').ChatPanel} ChatPanel */
/** @typedef {import('../../../web/pictures/list.js').Kept} Kept */
/** @typedef {Awaited<ReturnType<typeof openFiles>>} Files */

// Of one message, as the server takes them.
const MOST = 8;

/** @param {ChatPanel} w */
export async function openFiles(w) {
  const {openPictures} = await import('../../../web/pictures/pictures.js');
  const {session, site, staged: place, t} = w;
  const key = 'chatfiles:' + site;
  const chat = () => w.core.state().chat;
  const keep = () => tabStorage.set(key, {chat: chat(), kept: opened.list.kept});
  /** @type {any} */
  const opened = openPictures({
    node: w.node,
    place,
    session,
    t,
    site,
    count: MOST,
    files: !!w.info.files,
    changed: () => opened && keep(),
    own: () => ({path: '/chats/' + chat(), token: w.token}),
  });
  const before = asObject(tabStorage.get(key));
  if (before.chat === chat() && Array.isArray(before.kept))
    opened.list.restore(before.kept.map(asObject).filter((/** @type {any} */ one) => loader.text(one.id)));
  return {
    choose: opened.choose,
    /** Whether one is on its way, or was not taken. */
    unsettled: () => opened.list.unsettled,
    /** @returns {Kept[]} those that are there; they are with the message from now on */
    take() {
      const {kept} = opened.list;
      opened.list.clear();
      return kept;
    },
    close: opened.close,
  };
}

// Milliseconds after which the address of a picture is asked for again, should that not have been what was wrong.
const AGAIN = 60e3;
/** @type {WeakMap<HTMLElement, number>} */
const asked = new WeakMap();

/**
 * Save a file, or show *image* that is not there: its address has to be asked for, as it holds for some time only.
 * @param {ChatPanel} w
 * @param {string} id
 * @param {any} [image] in its link
 */
export function fetchFile(w, id, image) {
  if (image) {
    const now = Date.now();
    if (!id || now < (asked.get(image) || 0) + AGAIN) return undefined;
    asked.set(image, now);
  }
  return w.call1('GET', '/files/' + id).then(
    (/** @type {any} */ found) => {
      const href = w.safe(found.url);
      if (!image) el('a', {href, target: '_blank', rel: 'noopener'}).click();
      else {
        image.src = href;
        image.parentNode.href = href;
      }
    },
    (/** @type {any} */ error) => image || w.say(reason(w.t, error)),
  );
}
