/* Sends what the visitor writes: one after another, each until the server has it, and once. */
import {follow} from './listening.js';
import {loader, Promise} from '../../../web/lib/loader.js';
import {mayPass, reason} from '../../../web/lib/reasons.js';
import {asObject} from '../../../web/lib/values.js';

/** @typedef {import('./conversation.js').ChatPanel} ChatPanel */
/** @typedef {import('./store.js').Message} Message */
/** @typedef {import('./store.js').Pending} Pending */

/**
 * Sends what waits, one after another.
 * @param {ChatPanel} w
 */
export async function flush(w) {
  const {core} = w;
  if (w.busy) return;
  w.busy = true;
  clearTimeout(w.again);
  // Who it is, and whatever else the page said before.
  await w.calls.catch(() => {});
  /** @type {Pending | undefined} */
  let next;
  while ((next = w.store.pending.find(one => one.state === 'wait'))) {
    try {
      if (!w.core.state().chat) await start(w, next);
      else if (w.store.chat.state === 'closed') throw {status: 409, problem: {type: 'chat-closed'}};
      else {
        const body = {text: next.text, ...(next.files && next.files.length && {files: next.files.map(one => one.id)})};
        const {message, seq} = await w.call1('POST', '/messages', {key: next.key, body});
        // The event may be here already; what lies between comes by the line.
        w.store.put(message);
        if (seq === w.store.seq + 1) w.store.seq = seq;
        w.core.fire('message:out', message);
      }
      w.pause = 1000;
      if (w.error) w.say((w.error = ''));
    } catch (e) {
      const error = /** @type {any} */ (e);
      if (w.duty.disowned(error)) continue;
      const type = loader.text(asObject(error.problem).type);
      const closed = /chat-closed$/.test(type);
      if (closed) w.store.chat.state = 'closed';
      if (!closed && mayPass(error)) {
        w.error = reason(w.t, error);
        w.pause = Math.min(30000, w.pause * 2);
        w.again = setTimeout(() => w.flush(), error.retry ? error.retry * 1000 : w.pause * (0.5 + Math.random()));
        break;
      }
      next.state = 'failed';
      next.why = reason(w.t, error);
      w.core.fire('error', asObject(error.problem));
      if (!core.state().chat) {
        // Nothing was begun: the words go back to where they came from.
        w.field.value = [next.text, w.field.value].filter(Boolean).join('\n');
        w.store.discard(next.key);
        w.draft.touch();
        w.error = next.why;
        // Somebody has come or gone meanwhile, or a department asks for something else.
        if (/\/(required|consent|nobody-there)$/.test(type)) {
          core.first = null;
          w.look();
        }
      }
    }
    w.keepUnsent();
    w.draw();
  }
  w.busy = false;
  w.keepUnsent();
  w.draw();
}

/**
 * Starts a conversation with its first message; where another tab has just done so, that one is joined.
 * @param {ChatPanel} w
 * @param {Pending} first
 */
async function start(w, first) {
  const {core, store} = w;
  const pictured = !!first.files && !!first.files.length;
  const begin = async () => {
    if (core.state().chat) return false;
    const values = w.form ? w.form.values() : asObject(core.state().form);
    const {name = '', mail = '', department = '', ...fields} = {...w.duty.profile(), ...values};
    core.keep({form: values}, true);
    const {offline} = w;
    const found = (w.info.departments || []).find((/** @type {any} */ one) => one.name === department);
    // A field of that name that a site made for itself.
    if (department && !found) /** @type {any} */ (fields).department = department;
    const body = {
      key: first.key,
      // Pictures belong to a conversation: what has some follows as a message.
      text: pictured ? '' : first.text,
      name,
      mail,
      department: found ? found.id : w.duty.department(),
      fields,
      consent: !!(w.form && w.form.agreed()),
      page: w.duty.page(),
      language: w.t.lang,
      attributes: w.duty.attributes(),
      identity: w.duty.identity() || undefined,
      offline: offline || undefined,
      ...w.invited,
    };
    const post = (/** @type {any} */ more) => w.session.call('POST', '/chats', {body: {...body, ...more}});
    const made = await post({}).catch(async error => {
      const {work: asked} = asObject(error.problem);
      if (!asked) throw error;
      const {work} = await import('./work.js');
      return post({work: await work(asked)});
    });
    const {chat, token, channel} = made;
    store.clear();
    w.token = token;
    store.learn({...made, id: chat});
    core.keep({chat, token, channel});
    w.duty.share();
    if (Object.keys(values).length) core.fire(offline ? 'offline' : 'prechat', values);
    core.fire('chat:start', {chat});
    return made;
  };
  const made = await new Promise((resolve, reject) => {
    // Held for longer than it takes until the other tabs have heard: who comes next knows of the conversation.
    const once = () => begin().then(one => (resolve(one), one && new Promise(free => setTimeout(free, 500))), reject);
    // Refused together with storage: then each tab is by itself.
    if (navigator.locks) navigator.locks.request('cackle-chat:' + w.site, once).catch(once);
    else once();
  });
  w.form = null;
  if (!made) return w.resume();
  const page = await w.call1('GET', '/messages?size=50').catch(() => null);
  if (page) {
    store.take(page, true);
    // The first message came with the start, whatever key the server gave it.
    if (!pictured && page.messages.some((/** @type {Message} */ one) => store.own(one) && one.text === first.text))
      store.discard(first.key);
  }
  follow(w, made.channel);
}

/**
 * Sends once more what failed.
 * @param {ChatPanel} w
 * @param {Pending} pending
 */
export function retry(w, pending) {
  pending.state = 'wait';
  w.draw();
  w.flush();
}

/**
 * Gives up what failed.
 * @param {ChatPanel} w
 * @param {Pending} pending
 */
export function discard(w, pending) {
  w.store.discard(pending.key);
  w.keepUnsent();
  w.draw();
  w.field.focus();
}
