// The list of the console and what is known of its chats: pages of it, rows that are asked for again, my own chats.
import {batch, signal} from '../libraries.js';
import {belongs, order, stateOf} from './kinds.js';
import {given, merged} from './rows.js';

/** @typedef {import('./kinds.js').Chat} Chat */
/**
 * @typedef {import('./talk.js').TalkCalls & {
 *   list: (query: Record<string, string>) => Promise<{chats: Chat[], cursor: string | null, counts: Record<string, number>}>,
 * }} Calls
 */

/** Rows that are remembered beside those of the list. */
const MOST_KNOWN = 2_000;
/** Lists where what is said moves rows; in the others a row stays in its place. */
const MOVING = new Set(['others', 'offline', 'snoozed', 'closed', 'all']);

export class Lists {
  /**
   * @param {string} me
   * @param {Calls} calls
   * @param {(act: () => void) => void} [later]
   */
  constructor(me, calls, later = act => void setTimeout(act, 400 + Math.random() * 400)) {
    this.me = me;
    this.calls = calls;
    this.later = later;
    this.list = signal('waiting');
    this.found = signal(/** @type {Record<string, string>} */ ({}));
    this.rows = signal(/** @type {Chat[]} */ ([]));
    this.cursor = signal(/** @type {string | null} */ (null));
    this.counts = signal(/** @type {Record<string, number>} */ ({waiting: 0, mine: 0, open: 0}));
    this.loading = signal(false);
    this.loaded = signal(false);
    this.error = signal(/** @type {any} */ (null));
    /** Chats with their messages, open or kept. @type {Map<string, import('./talk.js').Talk>} */
    this.talks = new Map();
    /** What was last known of a chat, whichever list it stood in. @type {Map<string, Chat>} */
    this.known = new Map();
    /** Chats of mine, whichever list is shown: what is said in them calls. */
    this.own = signal(/** @type {Map<string, Chat>} */ (new Map()));
    this.ownLoaded = false;
    this.ownAsked = 0;
    /** The rows that stand in the page. @type {import('@preact/signals').Signal<string[]>} */
    this.window = signal([]);
    /** @type {Map<string, string>} */
    this.ofChannel = new Map();
    /** Rows that were told to stand otherwise since a question was asked: its answer may be older. @type {Set<Set<string>>} */
    this.watches = new Set();
    /** How often counts were told. */
    this.counted = 0;
    /** Rows to be asked for once more. @type {Set<string>} */
    this.stale = new Set();
    /** Those that could not be asked for. @type {Set<string>} */
    this.failed = new Set();
    this.unsettled = false;
    this.generation = 0;
    this.asked = false;
    /** Told when somebody new waits, or writes to us. @type {(what: 'waiting' | 'message', chat: Chat, text: string) => void} */
    this.alarm = () => {};
  }

  /** Show another list, or look for something else. @param {string} list @param {Record<string, string>} found */
  async show(list, found) {
    const same = list === this.list.value && JSON.stringify(found) === JSON.stringify(this.found.value);
    if (same && this.loaded.value) return;
    batch(() => {
      this.list.value = list;
      this.found.value = found;
      this.rows.value = [];
      this.cursor.value = '';
      this.loaded.value = false;
    });
    await this.more(true);
  }

  /** @param {string} cursor @returns {Record<string, string>} */
  query(cursor) {
    const {q = '', department = '', label = ''} = this.found.value;
    return {
      state: stateOf(this.list.value),
      ...(q ? {q} : {}),
      ...(/^\d+$/.test(department) ? {department} : {}),
      ...(label ? {label} : {}),
      ...(cursor ? {cursor} : {}),
    };
  }

  /** Load what comes next. @param {boolean} [anew] */
  async more(anew = false) {
    if ((this.loading.value && !anew) || (this.cursor.value === null && !anew)) return;
    const generation = anew ? ++this.generation : this.generation;
    this.loading.value = true;
    this.error.value = null;
    try {
      const {page, counts} = await this.ask(this.query(anew ? '' : this.cursor.value || ''));
      if (generation !== this.generation) return;
      batch(() => {
        this.merge(page.chats);
        this.cursor.value = page.cursor || null;
        this.count(counts);
        this.loaded.value = true;
      });
    } catch (error) {
      if (generation === this.generation) this.error.value = error;
    } finally {
      if (generation === this.generation) this.loading.value = false;
    }
  }

  /**
   * A page of a list. *touched*: what was told of meanwhile, which it may not have yet; *counts*: unless newer ones were told.
   * @param {Record<string, string>} query
   */
  async ask(query) {
    /** @type {Set<string>} */
    const touched = new Set();
    this.watches.add(touched);
    const {counted} = this;
    try {
      const page = await this.calls.list(query);
      return {page, touched, counts: counted === this.counted ? page.counts : undefined};
    } finally {
      this.watches.delete(touched);
    }
  }

  /** @param {Record<string, number> | undefined} counts */
  count(counts) {
    if (counts)
      this.counts.value = {...this.counts.peek(), ...counts, ...(this.ownLoaded ? {mine: this.own.peek().size} : {})};
  }

  /** Take in what was given of a chat; what is known of it then. @param {Chat} row @returns {Chat} */
  know(row) {
    const {row: now, stale} = merged(this.known.get(row.id), given(row));
    if (stale) this.reload(row.id);
    this.keepKnown(now);
    return now;
  }

  /** Call the operator where somebody began to wait for one, or was offered to me. @param {Chat} now @param {Chat | undefined} before @param {boolean} [queued] once more */
  call(now, before, queued) {
    const offered = (/** @type {Chat | undefined} */ one) => one?.offered && belongs(one, 'mine', this.me);
    // Who left a message out of hours or talks to a bot waits for nobody.
    if ((now.state === 'waiting' && (queued || before?.state !== 'waiting')) || (offered(now) && !offered(before)))
      this.alarm('waiting', now, '');
  }

  /** What came while nothing was heard calls as well. @param {Chat[]} rows */
  callAll(rows) {
    for (const row of rows) {
      const before = this.known.get(row.id);
      this.call(this.know(row), before);
    }
  }

  /** @param {Chat} row */
  keepKnown(row) {
    this.known.set(row.id, row);
    if (row.channel) this.ofChannel.set(row.channel, row.id);
    if (this.known.size > MOST_KNOWN) this.forget();
    const mine = belongs(row, 'mine', this.me);
    if (mine || this.own.peek().has(row.id)) {
      const own = new Map(this.own.peek());
      if (mine) own.set(row.id, row);
      else own.delete(row.id);
      this.have(own);
    }
  }

  /** The chats of mine are these. @param {Map<string, Chat>} own */
  have(own) {
    batch(() => {
      this.own.value = own;
      this.count({});
    });
  }

  /** What was told of longest ago, and is neither mine nor in the list. */
  forget() {
    const listed = new Set(this.rows.peek().map(one => one.id));
    for (const [id, old] of this.known) {
      if (this.own.peek().has(id) || listed.has(id)) continue;
      this.known.delete(id);
      this.ofChannel.delete(old.channel || '');
      return;
    }
  }

  /** Rows as the server gave them just now. @param {Chat[]} rows */
  merge(rows) {
    const all = new Map(this.rows.value.map(one => [one.id, one]));
    for (const one of rows) all.set(one.id, this.know(one));
    this.sort([...all.values()]);
  }

  /** @param {Chat[]} rows */
  sort(rows) {
    const list = this.list.value;
    // A search is answered by the server alone: what matches is not known here.
    const kept = rows.filter(one => (this.found.value.q || belongs(one, list, this.me)) && this.inDepartment(one));
    this.rows.value = kept.sort(order(list));
  }

  /** Look at the first page again: words, counts and what came. */
  refresh() {
    if (this.asked) return;
    this.asked = true;
    this.later(async () => {
      this.asked = false;
      const {generation} = this;
      try {
        const {page, touched, counts} = await this.ask(this.query(''));
        if (generation !== this.generation) return;
        batch(() => {
          this.count(counts);
          // Without more pages this is all of it: what is not in it is there no more.
          const there = new Set([...page.chats.map(one => one.id), ...touched]);
          if (!page.cursor) this.rows.value = this.rows.value.filter(one => there.has(one.id));
          this.merge(page.chats);
        });
      } catch {
        this.unsettled = true;
      }
    });
  }

  /** Rows that nobody tells of, as they are not shown, may have moved up: in lists where that is so. What failed is asked again. */
  settle() {
    const {unsettled} = this;
    this.unsettled = false;
    if (this.loaded.value && (unsettled || (MOVING.has(this.list.value) && !this.found.value.q))) this.refresh();
    if (!this.ownLoaded) this.loadOwn();
    for (const id of this.failed) this.reload(id);
    this.failed.clear();
  }

  /** Ask for one chat again: what was told of it is not all. @param {string} id */
  reload(id) {
    const first = !this.stale.size;
    this.stale.add(id);
    if (!first) return;
    this.later(async () => {
      const all = [...this.stale];
      this.stale.clear();
      for (const one of all) {
        try {
          const found = await this.calls.chat(one);
          batch(() => {
            this.talks.get(one)?.take(found);
            this.place(this.know({...found.chat, id: one}));
          });
        } catch (error) {
          if (/** @type {any} */ (error).status !== 404) this.failed.add(one);
        }
      }
    });
  }

  /** All chats of mine. */
  async loadOwn() {
    /** @type {Set<string>} */
    const there = new Set();
    const asked = ++this.ownAsked;
    try {
      for (let cursor = '', n = 0; n < 10; n++) {
        const {page, touched} = await this.ask({state: 'mine', ...(cursor ? {cursor} : {})});
        if (asked !== this.ownAsked) return;
        batch(() => (this.ownLoaded ? this.callAll(page.chats) : page.chats.map(one => this.know(one))));
        for (const id of [...page.chats.map(one => one.id), ...touched]) there.add(id);
        cursor = page.cursor || '';
        if (cursor) continue;
        const own = new Map(this.own.peek());
        for (const id of [...own.keys()].filter(one => !there.has(one))) {
          own.delete(id);
          // How it stands now was missed.
          this.reload(id);
        }
        this.ownLoaded = true;
        this.have(own);
        return;
      }
    } catch {
      // It is asked for again with the connection.
    }
  }

  /** The first page of the list in place of all that was loaded. */
  async anew() {
    const generation = ++this.generation;
    try {
      const {page, touched, counts} = await this.ask(this.query(''));
      if (generation !== this.generation) return;
      batch(() => {
        const kept = new Set([...page.chats.map(one => one.id), ...touched]);
        this.rows.value = this.rows.value.filter(one => kept.has(one.id));
        this.callAll(page.chats);
        this.merge(page.chats);
        this.cursor.value = page.cursor || null;
        this.count(counts);
        this.loading.value = false;
      });
    } catch {
      if (generation === this.generation) this.loading.value = false;
      this.refresh();
    }
  }

  /** A row where it belongs now: into the list, out of it, and into the chat that is open. @param {Chat} now */
  place(now) {
    const listed = this.rows.value.some(one => one.id === now.id);
    const fits = !this.found.value.q && belongs(now, this.list.value, this.me) && this.inDepartment(now);
    if (listed || (fits && this.loaded.value)) {
      const others = this.rows.value.filter(one => one.id !== now.id);
      this.sort(fits || this.found.value.q ? [...others, now] : others);
    }
    const talk = this.talks.get(now.id);
    const chat = talk?.chat.peek();
    if (talk && chat) {
      const rest = {...merged(chat, now).row};
      delete rest.unread;
      talk.chat.value = rest;
    }
  }

  /** @param {Chat} chat */
  inDepartment(chat) {
    const {department, label} = this.found.value;
    const own = typeof chat.department === 'object' ? chat.department?.id : chat.department;
    return (!department || String(own ?? '') === department) && (!label || (chat.labels || []).includes(label));
  }
}
