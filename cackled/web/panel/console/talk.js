// One conversation as an operator has it: messages in order and once, what is on its way, the draft, who else is here.
// No nodes: tests run it alone.
import {uid} from '../../lib/values.js';
import {batch, computed, signal} from '../libraries.js';
import {time} from './kinds.js';

/** @typedef {import('./kinds.js').Message} Message */
/** @typedef {import('./kinds.js').Chat} Chat */
/** @typedef {import('./kinds.js').File} File */
/**
 * What was written and is not acknowledged yet.
 * @typedef {object} Pending
 * @property {string} key the server does the same key once
 * @property {string} text
 * @property {File[]} files
 * @property {string[]} quick
 * @property {Original} [original]
 * @property {'waiting' | 'sending' | 'failed' | 'refused'} state *failed*: again may help; *refused*: it won't
 * @property {any} error
 * @property {boolean} anyway
 * @property {number} [tries]
 * @property {number} [next] when it is tried again by itself
 */
/** What was written before it was translated. @typedef {{text: string, language: string, to: string}} Original */
/** @typedef {{text: string, files: File[], original?: Original, messages: Message[], gone: 'newer' | 'assigned'}} Collision */
/**
 * What a conversation asks of the server.
 * @typedef {object} TalkCalls
 * @property {(id: string) => Promise<{chat: Chat, seq: number, channel?: string, card?: any, viewers?: any[]}>} chat
 * @property {(id: string, query: {since?: number, before?: number, size?: number}) => Promise<{messages: Message[], seq: number, more: boolean}>} messages
 * @property {(id: string, body: any, key: string) => Promise<{message: Message, seq?: number}>} send
 * @property {(id: string, seq: number) => Promise<any>} read
 * @property {(id: string) => Promise<any>} typing
 */
/** @typedef {{get: (key: string) => string | null, set: (key: string, value: string) => void}} Keep */

/** Milliseconds for which somebody who typed is writing. */
export const TYPING = 6_000;
const TYPING_EVERY = 3_000;
/** Messages that stand in a page whose reader is at the end; half of them stay when there are more. */
export const MOST_DRAWN = 120;
const PAGE = 50;
/** Milliseconds between two tries to send. */
const MOST_PAUSE = 30_000;
/** Pages that are looked at to catch up; then it begins anew. */
const MOST_PAGES = 20;

/** @param {any} error */
const temporary = error => !error?.status || error.status >= 500 || error.status === 429;

export class Talk {
  /**
   * @param {string} id
   * @param {string} me
   * @param {TalkCalls} calls
   * @param {{keep: Keep, now?: () => number, key?: () => string, prefix?: string}} parts
   */
  constructor(id, me, calls, {keep, now = Date.now, key = uid, prefix = ''}) {
    this.id = id;
    this.me = me;
    this.calls = calls;
    this.now = now;
    this.makeKey = key;
    this.keep = keep;
    this.prefix = prefix;
    this.chat = signal(/** @type {Chat | null} */ (null));
    // Of the chat itself, so that a message that stands is not drawn anew whenever the chat changes.
    this.readByVisitor = computed(() => this.chat.value?.read?.visitor || 0);
    this.visitorName = computed(() => this.chat.value?.visitor?.name);
    this.card = signal(/** @type {any} */ (null));
    this.channel = '';
    this.messages = signal(/** @type {Message[]} */ ([]));
    this.pending = signal(/** @type {Pending[]} */ ([]));
    this.collision = signal(/** @type {Collision | null} */ (null));
    this.viewers = signal(/** @type {{id: string, name: string}[]} */ ([]));
    this.typists = signal(/** @type {{by: string, id: string, name: string, until: number}[]} */ ([]));
    this.error = signal(/** @type {any} */ (null));
    this.loading = signal(false);
    this.loaded = signal(false);
    /** Whether the newest is read: then only so many of the latest are kept, and older ones are loaded on demand. */
    this.following = true;
    this.earlierLeft = signal(false);
    /** Reply or note: each has a draft of its own. */
    this.mode = signal(/** @type {'reply' | 'note'} */ ('reply'));
    this.drafts = {reply: signal(this.kept('reply')), note: signal(this.kept('note'))};
    /** Pictures beside the reply: on their way, there, or refused. @type {import('@preact/signals').Signal<any[]>} */
    this.files = signal([]);
    /** Who sends them. @type {any} */
    this.list = null;
    this.typed = 0;
    /** What the channel stands at as far as we heard. */
    this.seq = 0;
    /** Up to where it was read here. */
    this.readTo = 0;
    /** @type {Map<string, number>} what an event of that number said of a message */
    this.versions = new Map();
    /** @type {Promise<any>} */
    this.catching = Promise.resolve();
    this.sending = false;
  }

  /** @param {string} kind */
  kept(kind) {
    return this.keep.get(`${this.prefix}${kind}:${this.id}`) || '';
  }

  get draft() {
    return this.drafts[this.mode.value];
  }

  /** @param {string} text */
  write(text) {
    const kind = this.mode.peek();
    this.drafts[kind].value = text;
    this.keep.set(`${this.prefix}${kind}:${this.id}`, text);
  }

  /** The chat, its card and the newest page. */
  async load() {
    this.loading.value = true;
    this.error.value = null;
    try {
      const [found, page] = await Promise.all([this.calls.chat(this.id), this.calls.messages(this.id, {size: PAGE})]);
      batch(() => {
        this.take(found);
        this.put(page.messages, page.seq);
        if (!this.loaded.value) this.earlierLeft.value = page.more;
        this.loaded.value = true;
        // Listening begins before what was read, so that nothing is between.
        this.seq = Math.max(this.seq, Math.min(page.seq || 0, found.seq ?? page.seq ?? 0));
        this.readTo = Math.max(this.readTo, found.chat.read?.operator || 0);
      });
    } catch (error) {
      this.error.value = error;
    } finally {
      this.loading.value = false;
    }
  }

  /** @param {any} found an answer about the chat */
  take(found) {
    this.chat.value = {...(this.chat.peek() || {}), ...found.chat};
    const card = found.card ?? found.chat.card;
    if (card) this.card.value = card;
    const viewers = found.viewers ?? found.chat.viewers;
    if (viewers) this.viewers.value = viewers.filter((/** @type {any} */ one) => String(one.id) !== this.me);
    if (found.channel) this.channel = found.channel;
  }

  /** What changed beside the messages: who has it, its card. */
  async refresh() {
    try {
      const found = await this.calls.chat(this.id);
      batch(() => this.take(found));
    } catch {
      // The next event asks again.
    }
  }

  /** An older page. */
  async earlier() {
    const first = this.messages.value.find(one => one.seq !== undefined);
    if (!first || this.loading.value) return;
    this.loading.value = true;
    this.following = false;
    try {
      const page = await this.calls.messages(this.id, {before: first.seq, size: PAGE});
      batch(() => {
        this.put(page.messages, 0);
        this.earlierLeft.value = page.more;
      });
    } finally {
      this.loading.value = false;
    }
  }

  /** Messages may be missing: what came after the last one that we have, in order, one look at a time. */
  catchUp() {
    this.catching = this.catching.then(async () => {
      try {
        for (let n = 0; n < MOST_PAGES; n++) {
          const since = this.messages.peek().reduce((most, one) => Math.max(most, one.seq || 0), 0);
          const page = await this.calls.messages(this.id, {since, size: PAGE});
          batch(() => this.put(page.messages, page.seq));
          if (!page.more || !page.messages.length) break;
        }
      } catch {
        // The connection says so; it is asked again when that is back.
      }
    });
    return this.catching;
  }

  /**
   * Take messages in: each once, the newest word about it holds.
   * @param {Message[]} messages
   * @param {number} at how new the answer is
   */
  put(messages, at) {
    if (!messages.length) return;
    const all = new Map(this.messages.value.map(one => [one.id, one]));
    for (const one of messages) {
      const known = this.versions.get(one.id) ?? -1;
      if (all.has(one.id) && known > at) continue;
      this.versions.set(one.id, at);
      all.set(one.id, one);
    }
    const keys = new Set(messages.map(one => one.key).filter(Boolean));
    const sorted = [...all.values()].sort(inOrder);
    const left = this.following && sorted.length > MOST_DRAWN ? sorted.splice(0, sorted.length - MOST_DRAWN / 2) : [];
    for (const one of left) this.versions.delete(one.id);
    batch(() => {
      this.messages.value = sorted;
      if (left.length) this.earlierLeft.value = true;
      if (this.pending.value.some(one => keys.has(one.key)))
        this.pending.value = this.pending.value.filter(one => !keys.has(one.key));
    });
  }

  /**
   * Something was told in the chat's channel.
   * @param {{type: string, seq?: number, data: any}} event
   */
  heard({type, seq, data}) {
    if (seq !== undefined) {
      if (seq <= this.seq && type !== 'message.created' && type !== 'message.updated') return;
      this.seq = Math.max(this.seq, seq);
    }
    const chat = this.chat.peek();
    if (type === 'message.created' || type === 'message.updated') {
      const message = data.message;
      this.put([message], seq ?? message.seq ?? 0);
      if (message.from === 'visitor') this.quiet('visitor', '');
      if (message.from === 'operator') this.quiet('operator', String(message.author?.id ?? ''));
    } else if (type === 'typing') {
      this.typist(data);
    } else if (chat && type === 'chat.read') {
      const read = {visitor: 0, operator: 0, ...chat.read};
      const by = data.by === 'visitor' ? 'visitor' : 'operator';
      this.chat.value = {...chat, read: {...read, [by]: Math.max(read[by], data.seq)}};
    } else if (chat && (type === 'chat.assigned' || type === 'chat.updated' || type === 'chat.closed')) {
      if (type === 'chat.closed') this.typists.value = [];
      // What visitors are told: to them, what is only offered to an operator waits. Who has it, and how it stands, is told
      // in the operators' channel.
      const {state, operator, ...rest} = data;
      const who = operator === undefined ? {} : {operator, assignee: operator};
      this.chat.value = {...chat, ...rest, ...(state === 'waiting' ? {} : {state, status: state, ...who})};
    }
  }

  /** @param {any} data */
  typist(data) {
    const id = data.by === 'operator' ? String(data.id ?? data.name ?? '') : '';
    if (data.by === 'operator' && id === this.me) return;
    const others = this.typists.value.filter(one => one.by !== data.by || one.id !== id);
    this.typists.value = [...others, {by: data.by, id, name: data.name || '', until: this.now() + TYPING}];
  }

  /** Whoever wrote writes no more. @param {string} by @param {string} id */
  quiet(by, id) {
    const left = this.typists.value.filter(one => one.by !== by || (id && one.id && one.id !== id));
    if (left.length !== this.typists.value.length) this.typists.value = left;
  }

  /** Typing runs out by itself. */
  expire() {
    const now = this.now();
    const left = this.typists.value.filter(one => one.until > now);
    if (left.length !== this.typists.value.length) this.typists.value = left;
  }

  /** A key was struck in the reply. */
  typing() {
    if (this.mode.peek() !== 'reply' || this.now() - this.typed < TYPING_EVERY) return;
    this.typed = this.now();
    this.calls.typing(this.id).catch(() => {});
  }

  /** What the operator has seen: the newest message of others that is shown. */
  get seen() {
    return this.messages.peek().reduce((most, one) => (one.kind === 'note' ? most : Math.max(most, one.seq || 0)), 0);
  }

  /** How many messages of the visitor nobody read here. */
  get unread() {
    const to = Math.max(this.readTo, this.chat.value?.read?.operator || 0);
    return this.messages.value.filter(one => one.from === 'visitor' && !one.deleted && (one.seq || 0) > to).length;
  }

  /** All that is shown was looked at. */
  async look() {
    const seq = this.seen;
    const before = Math.max(this.readTo, this.chat.peek()?.read?.operator || 0);
    if (seq <= before) return;
    this.readTo = seq;
    // So that what counts unread messages looks again.
    if (this.chat.peek()) this.chat.value = {.../** @type {Chat} */ (this.chat.peek())};
    try {
      await this.calls.read(this.id, seq);
    } catch (error) {
      if (temporary(error) && this.readTo === seq) this.readTo = before;
    }
  }

  /**
   * Send a reply. What is not acknowledged stays to be seen, in its order.
   * @param {string} text
   * @param {{anyway?: boolean, files?: File[], quick?: string[], original?: Original}} [options]
   */
  async send(text, {anyway = false, files = [], quick = [], original} = {}) {
    // Whoever sent writes no more.
    this.typed = 0;
    /** @type {any} */
    const one = {
      key: this.makeKey(),
      text,
      files,
      quick,
      original,
      state: 'waiting',
      error: null,
      anyway,
      seen: this.seen,
    };
    this.pending.value = [...this.pending.value, one];
    await this.flush();
  }

  /** @param {string} key @param {Partial<Pending>} part */
  change(key, part) {
    this.pending.value = this.pending.value.map(one => (one.key === key ? {...one, ...part} : one));
  }

  /** Send what waits, one after the other: what comes later never overtakes. */
  async flush() {
    if (this.sending) return;
    this.sending = true;
    try {
      for (;;) {
        const next = /** @type {any} */ (this.pending.value.find(one => one.state !== 'refused'));
        if (!next || next.state !== 'waiting') return;
        this.change(next.key, {state: 'sending'});
        try {
          const body = {
            text: next.text,
            seen: next.seen,
            ...(next.files.length ? {files: next.files.map((/** @type {File} */ one) => one.id)} : {}),
            ...(next.quick.length ? {quick: next.quick} : {}),
            ...(next.anyway ? {anyway: true} : {}),
            ...(next.original ? {original: next.original} : {}),
          };
          const made = await this.calls.send(this.id, body, next.key);
          batch(() => {
            this.put([made.message], made.seq ?? made.message.seq ?? 0);
            this.drop(next.key);
          });
        } catch (error) {
          await this.failed(next, error);
        }
      }
    } finally {
      this.sending = false;
    }
  }

  /** @param {any} one @param {any} error */
  async failed(one, error) {
    if (error.slug === 'newer-messages' || error.slug === 'not-assignee') {
      // What came is asked for where the refusal does not bring it.
      this.put(error.problem?.messages || [], one.seen);
      await this.catchUp();
      const messages = this.messages
        .peek()
        .filter(
          found => (found.seq || 0) > one.seen && found.kind !== 'note' && String(found.author?.id ?? '') !== this.me,
        );
      batch(() => {
        this.collision.value = {
          text: one.text,
          files: one.files,
          original: one.original,
          messages,
          gone: error.slug === 'not-assignee' ? 'assigned' : 'newer',
        };
        this.drop(one.key);
      });
      return;
    }
    const tries = (one.tries || 0) + 1;
    const next = this.now() + Math.max(Math.min(MOST_PAUSE, 1000 * 2 ** tries), 1000 * (error.after || 0));
    this.change(one.key, {state: temporary(error) ? 'failed' : 'refused', error, tries, next});
  }

  /** What failed for a while and is due is tried again by itself. */
  retry() {
    const first = this.pending.peek()[0];
    if (first?.state === 'failed' && (first.next || 0) <= this.now()) this.again();
  }

  /** @param {string} key */
  drop(key) {
    this.pending.value = this.pending.value.filter(one => one.key !== key);
  }

  /** What failed for a while is tried again, with the key that it had: it is written once. @param {string} [key] */
  again(key) {
    this.pending.value = this.pending.value.map(one =>
      (key ? one.key === key : one.state === 'failed') ? {...one, state: 'waiting', error: null} : one,
    );
    return this.flush();
  }

  /** The words of what was not taken, back where they were written. @param {string} key */
  back(key) {
    const one = this.pending.value.find(found => found.key === key);
    if (!one) return;
    this.drop(key);
    this.restore(one.original?.text ?? one.text, one.files);
  }

  /** @param {string} text @param {File[]} [files] */
  restore(text, files = []) {
    if (files.length) this.list?.restore(files.map(one => ({...one, alt: one.alt || ''})));
    this.mode.value = 'reply';
    const old = this.drafts.reply.value;
    this.write([text, old].filter(Boolean).join('\n'));
  }

  /** A collision was looked at: send it anyway, or take the words back. @param {boolean} anyway */
  async settle(anyway) {
    const held = this.collision.value;
    this.collision.value = null;
    if (!held) return;
    if (anyway) await this.send(held.text, {...held, anyway: true});
    else this.restore(held.original?.text ?? held.text, held.files);
  }

  /** What is not acknowledged, as a draft. */
  keepPending() {
    const held = this.collision.peek();
    const texts = [...(held ? [held] : []), ...this.pending.peek()].map(one => one.original?.text ?? one.text);
    if (texts.length) this.restore(texts.join('\n'));
  }

  /** Whether something would be lost. */
  get dirty() {
    return this.pending.value.length > 0 || this.files.value.some(one => one.state === 'sending');
  }
}

/** By number; what has none by its time. @param {Message} a @param {Message} b */
function inOrder(a, b) {
  if (a.seq !== undefined && b.seq !== undefined && a.kind !== 'note' && b.kind !== 'note') return a.seq - b.seq;
  return time(a.created) - time(b.created) || (a.seq ?? 0) - (b.seq ?? 0) || (a.id < b.id ? -1 : 1);
}
