// The console as one operator sees it: lists, counts, the chats that are open, colleagues. No nodes: tests run it alone.
// How chats stand is heard in the operators' channel; what is said, in the channels of those that are shown or mine.
import {batch, signal} from '../libraries.js';
import {belongs, order, stateOf} from './kinds.js';
import {after, from, given, merged} from './rows.js';
import {Talk} from './talk.js';

/** @typedef {import('./kinds.js').Chat} Chat */
/**
 * @typedef {import('./talk.js').TalkCalls & {
 *   list: (query: Record<string, string>) => Promise<{chats: Chat[], cursor: string | null, counts: Record<string, number>}>,
 * }} Calls
 */

/** Chats that are open at once, each listened to. */
export const MOST_OPEN = 20;
/** Rows that are remembered beside those of the list. */
const MOST_KNOWN = 2_000;
/** Lists where what is said moves rows; in the others a row stays in its place. */
const MOVING = new Set(['others', 'offline', 'snoozed', 'closed', 'all']);

export class Console {
  /**
   * @param {string} me
   * @param {Calls} calls
   * @param {{keep: import('./talk.js').Keep, now?: () => number, key?: () => string, prefix?: string, later?: (act: () => void) => void}} parts
   *   *later*: calls a function in a moment; what is asked for twice meanwhile is asked once
   */
  constructor(me, calls, {later = act => void setTimeout(act, 400 + Math.random() * 400), ...parts}) {
    this.me = me;
    this.calls = calls;
    this.parts = parts;
    this.later = later;
    this.list = signal('waiting');
    this.found = signal(/** @type {Record<string, string>} */ ({}));
    this.rows = signal(/** @type {Chat[]} */ ([]));
    this.cursor = signal(/** @type {string | null} */ (null));
    this.counts = signal(/** @type {Record<string, number>} */ ({waiting: 0, mine: 0, open: 0}));
    this.loading = signal(false);
    this.loaded = signal(false);
    this.error = signal(/** @type {any} */ (null));
    /** The chats that are held open, in the order in which they were opened. */
    this.open = signal(/** @type {string[]} */ ([]));
    this.current = signal('');
    /** @type {Map<string, Talk>} */
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
        batch(() => {
          for (const one of page.chats) this.know(one);
        });
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

  /** News may be missing everywhere: all that is shown is asked for anew. */
  missed() {
    this.counted++;
    this.loadOwn();
    // What was loaded further down may stand otherwise as well.
    if (this.loaded.value) this.anew();
    for (const talk of this.talks.values()) {
      talk.catchUp();
      talk.refresh();
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

  /** News of one chat may be missing. @param {string} channel @param {number} seq where it stands */
  missedIn(channel, seq) {
    for (const talk of this.talks.values())
      if (talk.channel === channel) {
        talk.seq = seq;
        talk.catchUp();
        talk.refresh();
      }
    const id = this.ofChannel.get(channel.slice(channel.indexOf('/') + 1));
    const row = id && this.known.get(id);
    if (!row) return;
    this.keepKnown({...row, sure: seq, said: row.seq});
    this.reload(row.id);
  }

  /** The connection is back: what could not be sent is sent. */
  healed() {
    this.settle();
    for (const talk of this.talks.values()) {
      talk.again();
    }
  }

  /**
   * Something was told to the staff.
   * @param {{type: string, data: any}} event
   */
  heard({type, data}) {
    if (type === 'chat.queued' || type === 'chat.changed') this.row(type, data);
    else if (type === 'chat.viewing') {
      const talk = this.talks.get(String(data.id));
      if (talk)
        talk.viewers.value = (data.viewers || []).filter((/** @type {any} */ one) => String(one.id) !== this.me);
    } else if (type === 'chat.noted') this.talks.get(String(data.id))?.catchUp();
  }

  /** @param {string} type @param {Chat} told without words */
  row(type, told) {
    if (!told) return;
    const {counts, ...row} = told;
    const before = this.known.get(row.id);
    for (const one of this.watches) one.add(row.id);
    const now = this.know(row);
    if (counts) {
      this.counted++;
      this.count(counts);
    }
    this.place(now);
    const mine = belongs(now, 'mine', this.me);
    const offered = mine && now.offered && !(before?.offered && belongs(before, 'mine', this.me));
    if (type === 'chat.queued' || (now.state === 'waiting' && before?.state !== 'waiting') || offered)
      this.alarm('waiting', now, '');
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

  /**
   * Open a chat, or come back to it.
   * @param {string} id
   * @returns {Talk}
   */
  enter(id) {
    let talk = this.talks.get(id);
    if (!talk) {
      talk = new Talk(id, this.me, this.calls, this.parts);
      const known = this.known.get(id);
      if (known) talk.chat.value = known;
      this.talks.set(id, talk);
      talk.load();
    }
    if (!this.open.value.includes(id)) {
      this.open.value = [...this.open.value, id];
      this.trim(id);
    }
    this.current.value = id;
    return talk;
  }

  /** Chats that were opened first are put aside; those with something to lose stay. @param {string} keep */
  trim(keep) {
    while (this.open.value.length > MOST_OPEN) {
      const old = this.open.value.find(id => id !== keep && !this.talks.get(id)?.dirty);
      if (!old) return;
      this.put(old);
    }
  }

  /** Put a chat aside; what was written in it stays as a draft. @param {string} id */
  put(id) {
    this.open.value = this.open.value.filter(one => one !== id);
    if (!this.talks.get(id)?.dirty) this.talks.delete(id);
    if (this.current.value === id) this.current.value = '';
  }

  /** Something was told in the channel of a chat. @param {string} channel @param {any} event */
  heardIn(channel, event) {
    const id = this.ofChannel.get(channel.slice(channel.indexOf('/') + 1));
    const row = id === undefined ? undefined : this.known.get(id);
    let fresh = false;
    if (row && event.seq !== undefined) {
      const found = after(row, event);
      fresh = found.fresh;
      batch(() => {
        this.keepKnown(found.row);
        if (this.rows.value.some(one => one.id === row.id))
          this.sort([...this.rows.value.filter(one => one.id !== row.id), found.row]);
      });
      if (found.stale) this.reload(row.id);
    }
    for (const talk of this.talks.values()) {
      if (talk.channel !== channel) continue;
      fresh ||= event.type === 'message.created' && event.seq > talk.seq;
      talk.heard(event);
      // Where the visitor is now.
      if (event.type === 'chat.visited') this.reload(talk.id);
    }
    const message = event.data?.message;
    const chat = row || this.talks.get(id ?? String(event.data?.chat ?? ''))?.chat.peek();
    if (fresh && chat && message?.from === 'visitor' && message.kind === 'text' && this.hears(chat))
      this.alarm('message', chat, message.text);
  }

  /** Whether messages in a chat call me. @param {Chat} chat */
  hears(chat) {
    return this.open.value.includes(chat.id) || belongs(chat, 'mine', this.me);
  }

  /**
   * What is to be listened to, the most important first: what is open, what is mine, what is shown.
   * @returns {import('./live.js').Wanted[]}
   */
  listening(site = '') {
    /** @type {Map<string, import('./live.js').Wanted>} */
    const all = new Map();
    for (const id of this.open.value) {
      const talk = this.talks.get(id);
      // Its messages were asked for: what came since is heard once more.
      if (talk?.loaded.value && talk.channel) all.set(talk.channel, [talk.channel, talk.seq, true]);
    }
    const shown = new Map(this.rows.value.map(one => [one.id, one]));
    const rows = [...this.own.value.values(), ...this.window.value.map(id => shown.get(id))];
    for (const row of rows) {
      const channel = row?.channel && `${site}/${row.channel}`;
      if (row && channel && !all.has(channel)) all.set(channel, [channel, from(row)]);
    }
    return [...all.values()];
  }

  /** Unread messages of a row: of what is open it is known here. @param {Chat} row */
  unread(row) {
    const talk = this.talks.get(row.id);
    return talk?.loaded.value ? talk.unread : (this.own.value.get(row.id) ?? row).unread || 0;
  }

  /** Where the next or previous row is. @param {number} step */
  neighbour(step) {
    const all = this.rows.value;
    const at = all.findIndex(one => one.id === this.current.value);
    if (at < 0) return all[0]?.id || '';
    return all[Math.max(0, Math.min(all.length - 1, at + step))]?.id || '';
  }
}
