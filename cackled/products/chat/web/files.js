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
    own: () => ({path: '/chats/' + chat() + '/files', token: w.token}),
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

/**
 * Save a file: its address has to be asked for, as it holds for some minutes only.
 * @param {ChatPanel} w
 * @param {string} id
 */
export const saveFile = (w, id) =>
  w.call1('GET', '/files/' + id).then(
    (/** @type {any} */ found) => el('a', {href: w.safe(found.url), target: '_blank', rel: 'noopener'}).click(),
    (/** @type {any} */ error) => w.say(reason(w.t, error)),
  );
