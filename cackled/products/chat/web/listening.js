/* Learns of the conversation: the first request, what was said before, and what is told live. */
import {subscribe} from '../../../web/lib/live.js';
import {loader, Promise} from '../../../web/lib/loader.js';
import {serverNow} from '../../../web/lib/time.js';
import {asObject} from '../../../web/lib/values.js';

/** @typedef {import('./conversation.js').ChatPanel} ChatPanel */
/** @typedef {import('./store.js').Message} Message */

const DAY = 864e5;

/**
 * Asks what the server says of the site's chat.
 * @param {ChatPanel} w
 */
export async function look(w) {
  try {
    w.info = {...w.info, ...(await w.core.ask())};
    const {settings} = asObject((await w.core.first).site);
    w.info.pictures = settings.pictures || settings.files;
    w.info.files = settings.files;
    if (w.info.files) w.clip.setAttribute('aria-label', w.t('chatAddFiles'));
    attend(w);
    w.loaded = true;
    if (w.form) w.core.keep({form: {...asObject(w.core.state().form), ...w.form.values()}}, true);
    w.form = null;
    // When it opens it is asked again, not by all at once.
    clearTimeout(w.opens);
    const wait = Date.parse(w.info.next_opening) - serverNow();
    if (wait > 0 && wait < DAY) w.opens = setTimeout(() => again(w), wait + Math.random() * 5000);
  } catch (error) {
    w.error = w.t(asObject(error).status < 500 ? 'unavailable' : 'network');
    setTimeout(() => !w.loaded && w.look(), 5000 * (1 + Math.random()));
  }
  w.draw();
}

/**
 * Asks anew.
 * @param {ChatPanel} w
 */
function again(w) {
  if (w.core.panel !== w) return;
  w.core.first = null;
  w.look();
}

/**
 * Hears whether somebody comes or goes.
 * @param {ChatPanel} w
 */
function attend(w) {
  const {position} = w.info;
  if (w.presence || !position) return;
  w.presence = subscribe(
    position,
    {
      event: ({type, data}) => {
        const status = type === 'chat.status' && asObject(data).status;
        if (!status) return;
        Object.assign(w.info, {status, accepting: status === 'online'});
        // Of departments it says nothing.
        if (w.info.departments.length > 1) setTimeout(() => again(w), Math.random() * 3000);
        w.core.setStatus(status);
        w.draw();
      },
      status: () => {},
      reset: async () => +position.split('@')[1],
      renew: null,
    },
    '',
  );
}

/**
 * Goes on with the conversation of before.
 * @param {ChatPanel} w
 */
export async function resume(w) {
  const kept = w.core.state();
  const {chat} = kept;
  w.token = loader.text(kept.token);
  w.look();
  try {
    const [one, page] = await Promise.all([w.call1('GET'), w.call1('GET', '/messages?size=50')]);
    if (w.core.state().chat !== chat) return;
    w.store.learn(one.chat);
    w.log.setAttribute('aria-live', 'off');
    w.store.take(page, true);
    follow(w, one.channel || kept.channel);
    w.draw();
    w.bottom();
    setTimeout(() => w.log.setAttribute('aria-live', 'polite'), 500);
    w.seen();
    w.flush();
    w.duty.visit();
  } catch (e) {
    const error = /** @type {any} */ (e);
    if (error.status === 404 || error.status === 401 || error.status === 410) return w.forget();
    setTimeout(() => w.core.panel === w && w.resume(), 3000 * (1 + Math.random()));
  }
}

/**
 * Listens in the conversation's channel.
 * @param {ChatPanel} w
 * @param {string} channel
 */
export function follow(w, channel) {
  if (w.sub) w.sub.close();
  w.duty.listen();
  const sub = /\//.test(channel) ? channel : w.site + '/' + channel;
  w.sub = subscribe(
    sub + '@' + w.store.seq,
    {
      event: m => heardEvent(w, m),
      status: line => {
        w.line = line;
        w.drawStatus();
        if (line === 'live') w.flush();
      },
      reset: () => catchUp(w),
      renew: null,
    },
    w.token,
  );
}

/**
 * Loads what the live line could not give. Gives the seq that is reached.
 * @param {ChatPanel} w
 */
async function catchUp(w) {
  const {store} = w;
  for (;;) {
    const {messages} = store;
    const last = messages.length ? messages[messages.length - 1].seq : 0;
    const page = await w.call1('GET', '/messages?since=' + last + '&size=100');
    store.take(page).forEach(one => store.own(one) || arrived(w, one));
    if (!page.more || !page.messages.length) break;
  }
  const one = await w.call1('GET');
  store.learn(one.chat);
  store.seq = Math.max(store.seq, one.seq);
  w.draw();
  return store.seq;
}

/**
 * @param {ChatPanel} w
 * @param {import('../../../web/lib/live.js').Message} m
 */
export function heardEvent(w, m) {
  const {core, store} = w;
  // Its visitor signed out, here or in another tab.
  if (m.type === 'chat.ended') return w.forget();
  const {state} = store.chat;
  const fresh = store.event(m, Date.now());
  if (fresh) arrived(w, fresh);
  if (m.type === 'chat.assigned' && store.chat.operator) core.fire('agent:join', store.chat.operator);
  if (store.chat.state === 'closed' && state !== 'closed') core.fire('chat:end', {by: store.chat.closed_by});
  w.keepUnsent();
  w.draw();
  w.seen();
}

/**
 * @param {ChatPanel} w
 * @param {Message} message
 */
function arrived(w, message) {
  if (message.kind !== 'text') {
    if (message.event && message.event.name === 'left') w.core.fire('agent:leave', message.author);
    return;
  }
  w.core.fire('message:in', message);
  const bell = w.duty.bell();
  if (bell) bell.ring(message);
}

/**
 * Tells the server what was seen, and shows how much was not.
 * @param {ChatPanel} w
 */
export function seen(w) {
  const {store, core} = w;
  if (core.open && !document.hidden && w.atBottom()) {
    const seq = store.toRead();
    if (seq) {
      store.chat.read.visitor = seq;
      w.call1('PUT', '/read', {body: {seq}}).catch(() => {});
    }
  }
  const n = store.unread();
  core.setUnread(n);
  w.duty.title(n);
  w.down.hidden = !n || w.atBottom();
  w.down.textContent = w.t('chatNew', {n});
}
