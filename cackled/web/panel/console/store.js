// The console as one operator sees it: lists, counts, the chats that are open, colleagues. No nodes: tests run it alone.
// How chats stand is heard in the operators' channel; what is said, in the channels of those that are shown or mine.
import {batch, signal} from '../libraries.js';
import {belongs} from './kinds.js';
import {Lists} from './list_state.js';
import {after, from} from './rows.js';
import {Talk} from './talk.js';

/** @typedef {import('./kinds.js').Chat} Chat */
/** @typedef {import('./list_state.js').Calls} Calls */

/** Chats that are open at once, each listened to. */
export const MOST_OPEN = 20;

export class Console extends Lists {
  /**
   * @param {string} me
   * @param {Calls} calls
   * @param {{keep: import('./talk.js').Keep, now?: () => number, key?: () => string, prefix?: string, later?: (act: () => void) => void}} parts
   *   *later*: calls a function in a moment; what is asked for twice meanwhile is asked once
   */
  constructor(me, calls, {later, ...parts}) {
    super(me, calls, later);
    this.parts = parts;
    /** The chats that are held open, in the order in which they were opened. */
    this.open = signal(/** @type {string[]} */ ([]));
    this.current = signal('');
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
    // Queued, changed, or many of them gathered.
    if (/chat.[cgq]/.test(type)) {
      for (const row of data.rows || [data]) this.row(type, row);
      if (data.more) this.missed();
    } else if (type === 'chat.viewing') {
      const talk = this.talks.get(data.id);
      if (talk) talk.viewers.value = data.viewers.filter((/** @type {any} */ one) => one.id !== this.me);
    } else if (type === 'chat.noted') this.talks.get(data.id)?.catchUp();
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
    this.call(now, before, type === 'chat.queued');
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
    const chat = row || this.talks.get(id ?? event.data?.chat)?.chat.peek();
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
    return all[at < 0 ? 0 : Math.max(0, Math.min(all.length - 1, at + step))]?.id || '';
  }
}
