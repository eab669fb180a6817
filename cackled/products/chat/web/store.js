/* What a visitor's browser knows of a conversation: messages in order and once each, what is on its way, who has read
   what, who types. No nodes, no clock of its own: times are given, in milliseconds. */

/** @typedef {{id: string, seq: number, from: string, author: {id: string, name: string, avatar?: string | null}, text: string, html: string, files: any[], created: string, edited: string | null, deleted: boolean, key: string, kind: string, event?: {name: string, [more: string]: any}, quick?: string[]}} Message */
/** @typedef {{key: string, text: string, at: number, files?: any[], state: 'wait' | 'failed', why?: string}} Pending */
/** @typedef {{id: string, state: string, operator: {id: string, name: string, avatar?: string | null} | null, position: number | null, wait: number | null, read: {visitor: number, operator: number}, rating: {score: number, text: string} | null, created: string, closed: string | null, closed_by: string | null}} Chat */
/** @typedef {{message?: Message, pending?: Pending, key: string, day: boolean, first: boolean, mark: '' | 'sending' | 'failed' | 'sent' | 'read'}} Row */

// Milliseconds that a sign of typing holds, and within which messages stand in one group.
const TYPING = 6000;
const GROUP = 120000;

const blank = () => /** @type {Chat} */ ({
  id: '', state: '', operator: null, position: null, wait: null, read: {visitor: 0, operator: 0}, rating: null,
  created: '', closed: null, closed_by: null,
}); // prettier-ignore

export class ChatStore {
  constructor() {
    /** @type {Chat} */
    this.chat = blank();
    this.seq = 0;
    /** @type {Message[]} by seq */
    this.messages = [];
    /** @type {Pending[]} in the order that they were written */
    this.pending = [];
    /** There are older messages than those here. */
    this.more = false;
    /** @type {{name: string, until: number} | null} */
    this.typing = null;
  }

  /** Another conversation; what is on its way stays. */
  clear() {
    const {pending} = this;
    Object.assign(this, new ChatStore(), {pending});
  }

  /**
   * Whether a message is the visitor's own.
   * @param {Message} m
   */
  own(m) {
    return m.from === 'visitor';
  }

  /**
   * Takes what the server said of the conversation; members that it left out stay.
   * @param {Partial<Chat>} chat
   */
  learn(chat) {
    const {read} = this.chat;
    Object.keys(blank()).forEach(key => {
      const value = /** @type {any} */ (chat)[key];
      if (value !== undefined) /** @type {any} */ (this.chat)[key] = value;
    });
    // Answers may come late: nobody unreads.
    const {visitor = 0, operator = 0} = this.chat.read || {};
    this.chat.read = {visitor: Math.max(visitor, read.visitor), operator: Math.max(operator, read.operator)};
  }

  /**
   * Puts a message in its place. Gives whether it is new here.
   * @param {Message} message
   */
  put(message) {
    if (message.key) this.pending = this.pending.filter(one => one.key !== message.key);
    const at = this.messages.findIndex(one => one.id === message.id);
    if (at >= 0) {
      // An older copy changes nothing.
      const old = this.messages[at];
      if (!(old.deleted && !message.deleted) && (message.edited || '') >= (old.edited || ''))
        this.messages[at] = {...message, seq: old.seq};
      return false;
    }
    let place = this.messages.length;
    while (place && this.messages[place - 1].seq > message.seq) place--;
    this.messages.splice(place, 0, message);
    if (!this.own(message) && message.kind === 'text') this.typing = null;
    return true;
  }

  /**
   * Takes a list of messages. Gives those that are new here.
   * @param {{messages: Message[], seq: number, more?: boolean}} page
   * @param {boolean} [older] it goes before what is here
   */
  take(page, older) {
    const fresh = page.messages.filter(one => this.put(one));
    this.seq = Math.max(this.seq, page.seq);
    if (older !== undefined) this.more = !!page.more;
    return fresh;
  }

  /**
   * Takes an event of the conversation's channel. Gives the message that came with it, if it is new and another's.
   * @param {{type: string, seq?: number, data?: any}} event
   * @param {number} now
   * @returns {Message | null}
   */
  event({type, seq, data}, now) {
    if (type === 'typing') {
      if (data && data.by !== 'visitor') this.typing = {name: '' + (data.name || ''), until: now + TYPING};
      return null;
    }
    if (seq) {
      if (seq <= this.seq) return null;
      this.seq = seq;
    }
    if (type === 'message.created' || type === 'message.updated') {
      const fresh = this.put(data.message);
      return fresh && !this.own(data.message) ? data.message : null;
    }
    if (type === 'chat.read') {
      const side = data.by === 'operator' ? 'operator' : 'visitor';
      this.chat.read[side] = Math.max(this.chat.read[side], data.seq);
    } else if (type === 'chat.closed') {
      this.typing = null;
      this.learn({...data, state: 'closed', closed_by: data.by || data.closed_by});
    } else if (/^chat\./.test(type)) {
      const rest = {...data};
      if (type === 'chat.assigned' && data.operator && !data.state) rest.state = 'open';
      this.learn(rest);
    }
    return null;
  }

  /**
   * @param {string} text
   * @param {string} key
   * @param {number} now
   * @param {any[]} [files]
   */
  write(text, key, now, files) {
    this.pending.push({key, text, at: now, files, state: 'wait'});
  }
  /** @param {string} key */
  discard(key) {
    this.pending = this.pending.filter(one => one.key !== key);
  }

  /**
   * Who writes, '' for nobody.
   * @param {number} now
   */
  writing(now) {
    if (this.typing && this.typing.until <= now) this.typing = null;
    return this.typing ? this.typing.name || '…' : '';
  }

  /** How many messages of others the visitor has not read. */
  unread() {
    return this.messages.filter(
      one => !this.own(one) && one.kind === 'text' && !one.deleted && one.seq > this.chat.read.visitor,
    ).length;
  }
  /** The newest seq that the visitor can have read; 0: everything is. */
  toRead() {
    const last = [...this.messages].reverse().find(one => !this.own(one));
    return last && last.seq > this.chat.read.visitor ? last.seq : 0;
  }

  /**
   * What is shown, in order; `mark` stands below the last of the visitor's messages that has it.
   * @returns {Row[]}
   */
  rows() {
    const {read} = this.chat;
    /** @type {Row[]} */
    const rows = this.messages.map(message => ({
      message,
      key: message.key || message.id,
      day: false,
      first: false,
      mark: !this.own(message) || message.deleted ? '' : message.seq <= read.operator ? 'read' : 'sent',
    }));
    this.pending.forEach(pending =>
      rows.push({
        pending,
        key: pending.key,
        day: false,
        first: false,
        mark: pending.state === 'wait' ? 'sending' : 'failed',
      }),
    );
    rows.forEach((row, n) => {
      const before = rows[n - 1];
      row.day = !before || new Date(time(row)).toDateString() !== new Date(time(before)).toDateString();
      row.first = row.day || side(row) !== side(before) || time(row) - time(before) > GROUP;
    });
    let next = '';
    for (let n = rows.length; n--;) {
      const {mark} = rows[n];
      if ((mark === 'sent' || mark === 'read') && (next === mark || next === 'sending')) rows[n].mark = '';
      if (mark) next = mark;
    }
    return rows;
  }
}

/** @param {Row} row */
export const time = ({message, pending}) => (message ? Date.parse(message.created) : pending ? pending.at : 0);
/** @param {Row} row */
export const side = ({message}) =>
  !message || message.from === 'visitor'
    ? 'me'
    : message.kind === 'event' || message.from === 'system'
      ? 'event'
      : message.author.id;
