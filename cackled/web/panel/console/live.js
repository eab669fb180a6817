// What happens in a site's chat, live: one WebSocket for the staff's channel and for each chat that is open or shown,
// resumed by position; it heals after sleep and loss. Where no WebSocket gets through, an EventSource.
import {get} from '../api.js';

/** Milliseconds: how often the clock is looked at, and a gap in it that means that the machine slept. */
const TICK = 5_000;
const SLEPT = 20_000;
const HIDDEN = 90_000;
/** Milliseconds without a word after which a WebSocket is asked whether it lives, and after which it does not. */
const QUIET = 25_000;
const DEAD = 40_000;
/** Milliseconds after which what was refused for being too much is asked for again. */
const REFUSED = 10_000;
/** Milliseconds after which an EventSource comes anew with a newer ticket: its address can't change. */
const OLD = 100_000;
/** Channels of one connection; the server takes 100. An EventSource names each of them with each event. */
export const MOST_CHANNELS = 90;
const MOST_STREAMED = 40;

/**
 * @typedef {object} Handler
 * @property {(event: {type: string, data: any}) => void} staff
 * @property {(channel: string, event: any) => void} chat
 * @property {(channel: string, seq: number) => void} missed events of that channel may be missing; '': of the staff's
 * @property {(live: boolean) => void} state
 */
/** A channel, from where on, and whether what was heard of it before is to be told once more. @typedef {[string, number, boolean?]} Wanted */

export class Live {
  /** @param {string} site @param {Handler} handler @param {{now?: () => number}} [parts] */
  constructor(site, handler, {now = Date.now} = {}) {
    this.site = site;
    this.handler = handler;
    this.now = now;
    /** @type {EventSource | null} */
    this.source = null;
    /** @type {WebSocket | null} */
    this.socket = null;
    /** WebSockets that never opened, one after the other. */
    this.refusals = 0;
    this.up = false;
    this.staff = '';
    /** With it one listens, for some minutes; each beat of the desk brings another one. */
    this.ticket = '';
    /** Where each channel stands, as far as we heard. @type {Map<string, number>} */
    this.positions = new Map();
    /** @type {Set<string>} */
    this.wanted = new Set();
    this.closed = false;
    this.failures = 0;
    this.ticked = now();
    this.heardAt = this.opened = now();
    this.opening = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.retry = undefined;
    this.tick = setInterval(() => this.watch(), TICK);
    this.wake = () => {
      if (globalThis.document?.visibilityState !== 'hidden') this.awake();
    };
    for (const name of ['online', 'pageshow']) addEventListener(name, this.wake);
    globalThis.document?.addEventListener?.('visibilitychange', this.wake);
    this.open();
  }

  /** The chats to listen to, the most important first. @param {Wanted[]} chats */
  follow(chats) {
    const all = chats.slice(0, MOST_CHANNELS - 1);
    const now = new Set(all.map(([channel]) => channel));
    /** @type {Set<string>} */
    const told = new Set();
    for (const [channel, seq, again] of all) {
      const at = this.positions.get(channel);
      if (at === undefined || (again && seq < at)) this.positions.set(channel, seq);
      if (!this.wanted.has(channel) || (again && seq < (at ?? 0))) told.add(channel);
    }
    const gone = [...this.wanted].filter(one => !now.has(one));
    for (const one of gone) this.positions.delete(one);
    this.wanted = now;
    if (!told.size && !gone.length) return;
    if (this.socket?.readyState === 1) {
      for (const one of gone) this.send({type: 'unsub', sub: one});
      for (const one of told) this.subscribe(one);
    } else if (this.source && this.staff) this.connect();
  }

  /** @param {object} message */
  send(message) {
    if (this.socket?.readyState === 1) this.socket.send(JSON.stringify(message));
  }

  /** @param {string} channel @param {string} [token] */
  subscribe(channel, token) {
    this.send({type: 'sub', sub: `${channel}@${this.positions.get(channel) ?? 0}`, token});
  }

  /** A gap in the clock, or a long silence: whatever stood open is not trusted. */
  watch() {
    const gap = this.now() - this.ticked;
    this.ticked = this.now();
    // Clocks of pages that nobody sees tick once a minute.
    if (gap > (globalThis.document?.visibilityState === 'hidden' ? HIDDEN : SLEPT)) return this.reopen();
    if (!this.socket || !this.up) return;
    const quiet = this.now() - this.heardAt;
    if (quiet > DEAD + gap) this.reopen();
    else if (quiet > QUIET) this.send({type: 'ping'});
  }

  awake() {
    if (this.now() - this.ticked > SLEPT || !this.up) this.reopen();
    this.ticked = this.now();
  }

  /** The server says that the staff's channel stands at *seq*: if we have not heard of that, nothing comes any more. @param {number} seq */
  behind(seq) {
    const before = this.positions.get(this.staff) ?? 0;
    if (!this.staff || seq <= before) return;
    setTimeout(() => {
      if (!this.closed && (this.positions.get(this.staff) ?? 0) < seq) this.reopen();
    }, TICK);
  }

  reopen() {
    if (this.closed) return;
    clearTimeout(this.timer);
    this.failures = 0;
    this.open();
  }

  /** A newer ticket: the connection goes on with it. @param {string} [ticket] */
  renew(ticket) {
    if (!ticket || ticket === this.ticket || !this.staff) return;
    this.ticket = ticket;
    if (this.socket) this.subscribe(this.staff, ticket);
    else if (this.source && this.now() - this.opened > OLD) this.connect();
  }

  again() {
    this.drop();
    this.set(false);
    clearTimeout(this.timer);
    if (!this.closed)
      this.timer = setTimeout(
        () => this.open(),
        Math.min(30_000, 1000 * 2 ** this.failures++) * (0.5 + Math.random() / 2),
      );
  }

  /** @param {boolean} live */
  set(live) {
    this.up = live;
    this.handler.state(live);
  }

  drop() {
    this.source?.close();
    this.source = null;
    const {socket} = this;
    this.socket = null;
    socket?.close();
  }

  /** Ask where the staff listens, then listen. */
  async open() {
    const mine = ++this.opening;
    try {
      const place = await get(`/sites/${this.site}/chats/live`);
      if (this.closed || mine !== this.opening) return;
      const [channel, seq] = place.position.split('@');
      this.ticket = place.token;
      if (channel !== this.staff) {
        if (this.staff) {
          this.positions.delete(this.staff);
          this.handler.missed('', Number(seq));
        }
        this.staff = channel;
        this.positions.set(channel, Number(seq));
      }
    } catch {
      if (mine === this.opening) this.again();
      return;
    }
    this.connect();
  }

  connect() {
    if (this.closed) return;
    this.drop();
    this.heardAt = this.opened = this.now();
    if (globalThis.WebSocket && this.refusals < 2) this.overSocket();
    else this.overStream();
  }

  overSocket() {
    const query = new URLSearchParams({
      sub: `${this.staff}@${this.positions.get(this.staff) ?? 0}`,
      token: this.ticket,
    });
    const socket = (this.socket = new WebSocket(
      `${location.origin.replace(/^http/, 'ws')}/rt/ws?${query}`,
      'cackle.v1',
    ));
    let opened = false;
    socket.onopen = () => {
      if (socket !== this.socket) return;
      opened = true;
      this.refusals = 0;
      this.failures = 0;
      this.heardAt = this.now();
      for (const one of this.wanted) this.subscribe(one);
      this.set(true);
    };
    socket.onmessage = ({data}) => {
      if (socket !== this.socket) return;
      this.heardAt = this.now();
      this.message(JSON.parse(data));
    };
    socket.onclose = () => {
      if (socket !== this.socket) return;
      if (!opened) this.refusals++;
      this.again();
    };
  }

  overStream() {
    const query = new URLSearchParams();
    for (const channel of [this.staff, ...[...this.wanted].slice(0, MOST_STREAMED)])
      query.append('sub', `${channel}@${this.positions.get(channel) ?? 0}`);
    query.append('token', this.ticket);
    const source = (this.source = new EventSource(`/rt/sse?${query}`));
    source.onopen = () => {
      if (source !== this.source) return;
      this.failures = 0;
      this.set(true);
    };
    source.onmessage = ({data}) => source === this.source && this.message(JSON.parse(data));
    source.onerror = () => {
      if (source !== this.source) return;
      // The browser comes back by itself, unless the server refused.
      if (source.readyState === 2) {
        this.refusals = 0;
        this.again();
      } else this.set(false);
    };
  }

  /** @param {any} told */
  message(told) {
    if (told.type === 'error') return this.refused(told);
    // Somebody left: what comes next is told elsewhere.
    if (told.type === 'staff.moved') return void this.open();
    const {sub, seq} = told;
    if (!sub || (sub !== this.staff && !this.wanted.has(sub))) return;
    if (told.type === 'recovered') {
      // All up to there was told before it: what we did not hear of that was for a listening that had ended.
      if (told.recovered !== false) return;
      this.positions.set(sub, seq);
      this.handler.missed(sub === this.staff ? '' : sub, seq);
      return;
    }
    if (seq !== undefined) {
      const at = this.positions.get(sub) ?? 0;
      // What was told before is told once.
      if (seq <= at) return;
      // Numbers have no gaps: this one was on its way for a listening that had ended. What is between comes first.
      if (seq > at + 1 && this.socket) return this.subscribe(sub);
      this.positions.set(sub, seq);
    }
    if (sub === this.staff) this.handler.staff(told);
    else this.handler.chat(sub, told);
  }

  /** A ticket that ended is asked for anew; what was too much at once is asked for later. @param {any} told */
  refused({code, sub}) {
    if (!this.socket || !sub || sub === this.staff || code === 'token') return this.again();
    if (code !== 'limit' || !this.wanted.has(sub)) return;
    this.retry ??= setTimeout(() => {
      this.retry = undefined;
      if (!this.closed && this.up) this.connect();
    }, REFUSED);
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    clearTimeout(this.retry);
    clearInterval(this.tick);
    for (const name of ['online', 'pageshow']) removeEventListener(name, this.wake);
    globalThis.document?.removeEventListener?.('visibilitychange', this.wake);
    this.drop();
  }
}
