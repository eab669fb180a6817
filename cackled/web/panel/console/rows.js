// What is known of a chat in a list. It comes from answers, from the operators' channel (how it stands) and from the
// chat's own channel (what is said in it). Those come in any order: of each part the newest word holds.

/** @typedef {import('./kinds.js').Chat} Chat */

const WORDS = 200;
/** As the server cuts: by characters, not by halves of them. @param {string} text */
const cut = text => (text.length > WORDS ? [...text].slice(0, WORDS).join('') : text);
/** @param {number | undefined} a @param {number | undefined} b */
const most = (a, b) => Math.max(a || 0, b || 0);

/** A row as it was given: its last words, where they are in it, are those of its newest message. @param {Chat} row */
export const given = row =>
  'last' in row && row.said === undefined ? {...row, said: row.seq || 0, sure: row.told ?? row.seq ?? 0} : row;

/**
 * Two words about one chat. *stale*: how many are unread is not known from them.
 * @param {Chat | undefined} before
 * @param {Chat} now
 * @returns {{row: Chat, stale: boolean}}
 */
export function merged(before, now) {
  if (!before) return {row: now, stale: false};
  const [old, fresh] = (now.version || 0) >= (before.version || 0) ? [before, now] : [now, before];
  const row = {...old, ...fresh};
  const words = now.sure !== undefined && now.sure >= (before.sure ?? -1) ? now : before;
  if ('last' in words) row.last = words.last;
  row.said = words.said;
  row.sure = words.sure;
  if (before.read || now.read)
    row.read = {
      visitor: most(before.read?.visitor, now.read?.visitor),
      operator: most(before.read?.operator, now.read?.operator),
    };
  if (before.seq !== undefined || now.seq !== undefined) row.seq = most(before.seq, now.seq);
  const read = row.read?.operator || 0;
  const whole = (/** @type {Chat} */ one) => (one.seq || 0) === (row.seq || 0) && (one.read?.operator || 0) === read;
  let stale = false;
  if (whole(now) && now.unread !== undefined) row.unread = now.unread;
  else if (whole(before)) row.unread = before.unread;
  else if (read >= (row.seq || 0)) row.unread = 0;
  else {
    row.unread = now.unread ?? before.unread;
    stale = true;
  }
  return {row, stale};
}

/**
 * Something was told in a chat's own channel. *stale*: the row has to be asked for.
 * @param {Chat} row
 * @param {{type: string, seq?: number, data: any}} event
 * @returns {{row: Chat, stale: boolean, fresh: boolean}} *fresh*: a message that was not known
 */
export function after(row, {type, seq, data}) {
  const now = {...row};
  // Whoever listens hears all: the words are still the last.
  if (row.sure !== undefined) now.sure = most(row.sure, seq);
  const read = {visitor: row.read?.visitor || 0, operator: row.read?.operator || 0};
  const message = data?.message;
  if (type === 'message.created' && message?.kind === 'text') {
    const by = message.from === 'visitor' ? 'visitor' : 'operator';
    const fresh = message.seq > (row.seq || 0);
    if (fresh) {
      now.seq = message.seq;
      // Who writes has read what stands there.
      now.unread = by === 'visitor' ? (row.unread || 0) + 1 : 0;
      now.read = {...read, [by]: Math.max(read[by], message.seq)};
    }
    if (message.seq < (row.said ?? -1)) return {row: now, stale: false, fresh};
    now.said = message.seq;
    now.sure = most(row.sure, seq);
    if (!message.deleted) now.last = {from: message.from, text: cut(message.text), created: message.created};
    return {row: now, stale: message.deleted, fresh};
  }
  if (type === 'message.updated' && row.last && message?.created === row.last.created) {
    if (!message.deleted) now.last = {...row.last, text: cut(message.text)};
    return {row: now, stale: message.deleted, fresh: false};
  }
  if (type === 'chat.read') {
    const by = data.by === 'visitor' ? 'visitor' : 'operator';
    const to = Math.max(read[by], data.seq);
    now.read = {...read, [by]: to};
    const all = to >= (row.seq || 0);
    if (by === 'operator' && to > read.operator) now.unread = all ? 0 : row.unread;
    return {row: now, stale: by === 'operator' && to > read.operator && !all && !!row.unread, fresh: false};
  }
  return {row: now, stale: false, fresh: false};
}

/** From where on to listen to a chat: its newest message once more, where its words are not known. @param {Chat} row */
export const from = row => row.sure ?? Math.max(0, (row.seq || 0) - 1);
