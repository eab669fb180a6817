// The console as one operator sees it: lists, counts, the chats that are open, colleagues. No nodes: tests run it alone.
import {batch, signal} from '../libraries.js';
import {belongs, order, stateOf} from './kinds.js';
import {Talk} from './talk.js';

/** @typedef {import('./kinds.js').Chat} Chat */
/**
 * @typedef {import('./talk.js').TalkCalls & {
 *   list: (query: Record<string, string>) => Promise<{chats: Chat[], cursor: string | null, counts: Record<string, number>}>,
 * }} Calls
 */

/** Chats that are open at once, each listened to. */
export const MOST_OPEN = 20;

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
      const page = await this.calls.list(this.query(anew ? '' : this.cursor.value || ''));
      if (generation !== this.generation) return;
      batch(() => {
        this.merge(page.chats);
        this.cursor.value = page.cursor || null;
        this.count(page.counts);
        this.loaded.value = true;
      });
    } catch (error) {
      if (generation === this.generation) this.error.value = error;
    } finally {
      if (generation === this.generation) this.loading.value = false;
    }
  }

  /** @param {Record<string, number>} counts */
  count(counts) {
    if (counts) this.counts.value = {...this.counts.value, ...counts};
  }

  /** Rows as the server gave them just now. @param {Chat[]} rows */
  merge(rows) {
    const all = new Map(this.rows.value.map(one => [one.id, one]));
    for (const one of rows) {
      this.known.set(one.id, one);
      all.set(one.id, one);
    }
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
        const page = await this.calls.list(this.query(''));
        if (generation !== this.generation) return;
        batch(() => {
          this.count(page.counts);
          // Without more pages this is all of it: what is not in it is there no more.
          const there = new Set(page.chats.map(one => one.id));
          if (!page.cursor) this.rows.value = this.rows.value.filter(one => there.has(one.id));
          this.merge(page.chats);
        });
      } catch {
        // The next event asks again, and so does the connection when it is back.
      }
    });
  }

  /** News may be missing everywhere. */
  missed() {
    this.refresh();
    for (const talk of this.talks.values()) {
      talk.catchUp();
      talk.refresh();
    }
  }

  /** The connection is back: what could not be sent is sent. */
  healed() {
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

  /** @param {string} type @param {Chat} row without words */
  row(type, row) {
    if (!row) return;
    const before = this.known.get(row.id);
    // Numbers never go back: an older word about it says nothing new.
    if (before?.seq && row.seq && row.seq < before.seq) return;
    const text = before?.last?.created === row.last?.created ? before?.last?.text : undefined;
    const now = {...before, ...row, ...(row.last ? {last: {...row.last, ...(text === undefined ? {} : {text})}} : {})};
    this.known.set(row.id, now);
    if (this.known.size > 2_000) this.known.delete(/** @type {string} */ (this.known.keys().next().value));
    const listed = this.rows.value.some(one => one.id === row.id);
    const fits = !this.found.value.q && belongs(now, this.list.value, this.me) && this.inDepartment(now);
    if (listed || fits) {
      const others = this.rows.value.filter(one => one.id !== row.id);
      this.sort(fits || this.found.value.q ? [...others, now] : others);
    }
    const talk = this.talks.get(row.id);
    if (talk?.chat.peek()) {
      const rest = {...now};
      delete rest.unread;
      talk.chat.value = {...talk.chat.peek(), ...rest};
    }
    this.refresh();
    if (type === 'chat.queued' || (row.state === 'waiting' && before?.state !== 'waiting'))
      this.alarm('waiting', now, '');
    else if (
      belongs(now, 'mine', this.me) &&
      now.last?.from === 'visitor' &&
      now.last.created !== before?.last?.created &&
      !this.open.value.includes(row.id)
    )
      this.alarm('message', now, '');
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
    for (const talk of this.talks.values()) {
      if (talk.channel !== channel) continue;
      const before = talk.seq;
      talk.heard(event);
      const message = event.data?.message;
      const chat = talk.chat.peek();
      if (event.type === 'message.created' && message?.from === 'visitor' && event.seq > before && chat)
        this.alarm('message', chat, message.text);
    }
  }

  /** Unread messages of a row: of what is open it is known here. @param {Chat} row */
  unread(row) {
    const talk = this.talks.get(row.id);
    return talk?.loaded.value ? talk.unread : row.unread || 0;
  }

  /** Where the next or previous row is. @param {number} step */
  neighbour(step) {
    const all = this.rows.value;
    const at = all.findIndex(one => one.id === this.current.value);
    if (at < 0) return all[0]?.id || '';
    return all[Math.max(0, Math.min(all.length - 1, at + step))]?.id || '';
  }
}
