// The operator's work on one site: store, live connection, desk and alarms; it goes on while other pages of the panel are
// looked at, and ends with the session.
import {badge} from '../badges.js';
import {get, patch, post, put, remove} from '../api.js';
import {effect, signal} from '../libraries.js';
import {go} from '../router.js';
import {me, sites} from '../session.js';
import {toast} from '../toasts.js';
import {t} from '../words.js';
import {Alarms} from './alarms.js';
import {Desk} from './desk.js';
import {belongs} from './kinds.js';
import {Live} from './live.js';
import {Push} from './push.js';
import {Console} from './store.js';

/** Milliseconds between two looks at a list in which rows that are not shown move. */
const MOVES = 10_000;

/** Storage that may be refused or full: what can't be kept is kept while the page is open. */
export function storage() {
  /** @type {Map<string, string>} */
  const memory = new Map();
  return {
    get: (/** @type {string} */ key) => {
      try {
        return memory.get(key) ?? localStorage.getItem(key);
      } catch {
        return memory.get(key) ?? null;
      }
    },
    /** What another tab stored. */
    know: (/** @type {string} */ key, /** @type {string} */ value) => void memory.set(key, value),
    set: (/** @type {string} */ key, /** @type {string} */ value) => {
      memory.set(key, value);
      try {
        if (value) localStorage.setItem(key, value);
        else localStorage.removeItem(key);
      } catch {
        // It is kept in memory.
      }
    },
  };
}

/** @param {string} site */
export const callsOf = site => {
  const base = `/sites/${site}/chats`;
  /** @param {string} id */
  const at = id => `${base}/${encodeURIComponent(id)}`;
  return {
    base,
    list: (/** @type {Record<string, string>} */ query) => get(base, query),
    chat: async (/** @type {string} */ id) => {
      const found = await get(at(id));
      // The streams name a channel with its site.
      return found.channel ? {...found, channel: `${site}/${found.channel}`} : found;
    },
    messages: (/** @type {string} */ id, /** @type {any} */ query) => get(`${at(id)}/messages`, query),
    send: (/** @type {string} */ id, /** @type {any} */ body, /** @type {string} */ key) =>
      post(`${at(id)}/messages`, body, {key}),
    read: (/** @type {string} */ id, /** @type {number} */ seq) => put(`${at(id)}/read`, {seq}),
    typing: (/** @type {string} */ id) => put(`${at(id)}/typing`, {}),
    edit: (/** @type {string} */ id, /** @type {string} */ message, /** @type {string} */ text) =>
      patch(`${at(id)}/messages/${encodeURIComponent(message)}`, {text}),
    unsay: (/** @type {string} */ id, /** @type {string} */ message) =>
      remove(`${at(id)}/messages/${encodeURIComponent(message)}`),
    deed: (/** @type {string} */ id, /** @type {string} */ name, /** @type {any} */ body = {}) =>
      post(`${at(id)}/${name}`, body),
  };
};

export class Work {
  /** @param {string} site @param {{id: string, name: string}} person */
  constructor(site, person) {
    this.site = site;
    this.person = person;
    this.calls = callsOf(site);
    this.live = signal(false);
    this.keep = storage();
    this.store = new Console(person.id, this.calls, {keep: this.keep, prefix: `cackled-chat:${site}:`});
    this.desk = new Desk(site, {behind: seq => this.channel.behind(seq), renew: ticket => this.channel.renew(ticket)});
    this.alarms = new Alarms(this.keep);
    this.push = new Push(site, this.keep);
    this.store.alarm = (what, chat, text) => this.alarms.tell(what, site, chat, text);
    /** Canned replies, macros and departments: asked for once, and again where they are edited. */
    this.replies = signal(/** @type {import('./canned.js').Reply[]} */ ([]));
    this.macros = signal(/** @type {import('./macros.js').Macro[]} */ ([]));
    this.departments = signal(/** @type {any[]} */ ([]));
    this.channel = new Live(site, {
      staff: event => {
        if (event.type === 'desk.changed') this.desk.load();
        else if (event.type === 'chat.mentioned') this.mentioned(event.data);
        else this.store.heard(event);
      },
      chat: (channel, event) => this.store.heardIn(channel, event),
      missed: (channel, seq) => (channel ? this.store.missedIn(channel, seq) : this.store.missed()),
      state: live => {
        const before = this.live.peek();
        this.live.value = live;
        if (live && !before) {
          this.store.healed();
          this.desk.beat();
          this.load();
        } else if (before && !live) this.desk.beat(); // Is it the line, or may I not any more?
      },
    });
    this.stops = [
      // Those that are open, mine or shown are listened to.
      effect(() => this.channel.follow(this.store.listening(site))),
      effect(() => this.desk.look(this.store.current.value || null)),
      effect(() => {
        this.alarms.count(this.waiting);
        badge(site, 'chat', this.waiting);
      }),
    ];
    this.timer = setInterval(() => {
      for (const talk of this.store.talks.values()) {
        talk.expire();
        talk.retry();
      }
    }, 1000);
    this.moves = setInterval(() => {
      if (document.visibilityState !== 'hidden' && this.live.peek()) this.store.settle();
    }, MOVES);
    // Another tab of mine wrote or sent: what is shown here is that, and not the same words once more.
    this.stored = (/** @type {StorageEvent} */ {key, newValue}) => {
      const found = /^cackled-chat:([^:]*):(reply|note):(.+)$/.exec(key || '');
      if (!found || found[1] !== site || document.hasFocus()) return;
      this.keep.know(String(key), newValue || '');
      const talk = this.store.talks.get(found[3]);
      if (talk) talk.drafts[/** @type {'reply' | 'note'} */ (found[2])].value = newValue || '';
    };
    addEventListener('storage', this.stored);
    this.desk.start();
    this.load();
  }

  /** What waits for me: chats that nobody has, and unread messages of mine. */
  get waiting() {
    const {counts, own, open, talks} = this.store;
    const mine = new Map([...own.value.values()].map(one => [one.id, this.store.unread(one)]));
    for (const id of open.value) {
      const talk = talks.get(id);
      if (talk?.chat.value && belongs(talk.chat.value, 'mine', this.person.id)) mine.set(id, talk.unread);
    }
    return (counts.value.waiting || 0) + [...mine.values()].reduce((sum, one) => sum + (one ? 1 : 0), 0);
  }

  async load() {
    const [replies, departments, macros] = await Promise.allSettled([
      get(`${this.calls.base}/replies`),
      get(`${this.calls.base}/departments`),
      get(`${this.calls.base}/macros`),
    ]);
    // What was not given is asked for again with the connection; until then nobody chooses one.
    if (replies.status === 'fulfilled') this.replies.value = replies.value.replies || [];
    if (departments.status === 'fulfilled') this.departments.value = departments.value.departments || [];
    if (macros.status === 'fulfilled') this.macros.value = macros.value.macros || [];
  }

  /** A colleague called me in a note: it is said wherever I am. @param {{id: string, by: string, members: string[]}} told */
  mentioned({id, by, members}) {
    if (!members.includes(this.person.id)) return;
    const text = t('chat.mentioned', {name: by});
    this.alarms.tell('message', this.site, /** @type {any} */ ({id, visitor: {name: by}}), text);
    const act = () => go(`/sites/${this.site}/chat?chat=${encodeURIComponent(id)}`);
    if (this.store.current.peek() !== id) toast(text, {label: t('nav.chat'), act, seconds: 30});
  }

  /** A canned reply was sent: those that are used most come first. @param {string} id */
  used(id) {
    this.replies.value = this.replies.value.map(one => (one.id === id ? {...one, uses: (one.uses || 0) + 1} : one));
    post(`${this.calls.base}/replies/${encodeURIComponent(id)}/used`).catch(() => {});
  }

  /** What a canned reply's variables stand for in a chat. @param {import('./talk.js').Talk} talk */
  facts(talk) {
    const chat = talk.chat.value;
    const card = talk.card.value || {};
    return {
      visitor: {name: chat?.visitor?.name, mail: card.mail},
      operator: {name: this.person.name},
      page: {title: card.page?.title, url: card.page?.url},
      site: {name: sites.value.find(one => String(one.site) === this.site)?.name},
      department: {name: this.departmentName(chat?.department)},
    };
  }

  /** @param {any} department an id, or a name with it */
  departmentName(department) {
    if (department && typeof department === 'object') return department.name;
    return this.departments.value.find(one => String(one.id) === String(department ?? ''))?.name || '';
  }

  close() {
    // What was not acknowledged is a draft again: whoever signs in anew finds it.
    for (const talk of this.store.talks.values()) talk.keepPending();
    removeEventListener('storage', this.stored);
    badge(this.site, 'chat', 0);
    for (const stop of this.stops) stop();
    clearInterval(this.timer);
    clearInterval(this.moves);
    this.channel.close();
    this.desk.close();
    this.alarms.close();
  }
}

/** @type {Work | null} */
let work = null;
effect(() => {
  if (me.value === null && work) {
    work.close();
    work = null;
  }
});

/** The work on a site; that on another one ends. @param {string} site */
export function workOn(site) {
  if (work?.site !== site) {
    work?.close();
    const account = me.peek()?.account;
    work = new Work(site, {id: `account:${account?.id ?? ''}`, name: account?.name || ''});
  }
  return work;
}
