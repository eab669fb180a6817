// What happens in a site's chat, live: one EventSource for the staff's channel and the chats that are open, resumed by
// position; it heals after sleep and loss.
import {get} from '../api.js';

/** Milliseconds: how often the clock is looked at, and a gap in it that means that the machine slept. */
const TICK = 5_000;
const SLEPT = 20_000;
const HIDDEN = 90_000;

/**
 * @typedef {object} Handler
 * @property {(event: {type: string, data: any}) => void} staff
 * @property {(channel: string, event: any) => void} chat
 * @property {(channel: string) => void} missed events of that channel may be missing; '': of the staff's
 * @property {(live: boolean) => void} state
 */

export class Live {
  /** @param {string} site @param {Handler} handler @param {{now?: () => number}} [parts] */
  constructor(site, handler, {now = Date.now} = {}) {
    this.site = site;
    this.handler = handler;
    this.now = now;
    /** @type {EventSource | null} */
    this.source = null;
    this.staff = '';
    /** Where each channel stands, as far as we heard. @type {Map<string, number>} */
    this.positions = new Map();
    /** @type {Set<string>} */
    this.wanted = new Set();
    this.closed = false;
    this.failures = 0;
    this.ticked = now();
    this.opening = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.tick = setInterval(() => this.watch(), TICK);
    this.wake = () => {
      if (globalThis.document?.visibilityState !== 'hidden') this.awake();
    };
    for (const name of ['online', 'pageshow']) addEventListener(name, this.wake);
    globalThis.document?.addEventListener?.('visibilitychange', this.wake);
    this.open();
  }

  /** The chats to listen to: `[channel, seq]` each. @param {[string, number][]} chats */
  follow(chats) {
    const now = new Set(chats.map(([channel]) => channel));
    for (const [channel, seq] of chats) if (!this.positions.has(channel)) this.positions.set(channel, seq);
    const same = now.size === this.wanted.size && [...now].every(one => this.wanted.has(one));
    for (const one of this.wanted) if (!now.has(one)) this.positions.delete(one);
    this.wanted = now;
    if (!same && this.staff) this.connect();
  }

  /** A gap in the clock: whatever stood open is not trusted. */
  watch() {
    const gap = this.now() - this.ticked;
    this.ticked = this.now();
    // Clocks of pages that nobody sees tick once a minute.
    if (gap > (globalThis.document?.visibilityState === 'hidden' ? HIDDEN : SLEPT)) this.reopen();
  }

  awake() {
    if (this.now() - this.ticked > SLEPT || this.source?.readyState !== 1) this.reopen();
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
    if (this.staff) this.connect();
    else this.open();
  }

  again() {
    this.source?.close();
    this.handler.state(false);
    clearTimeout(this.timer);
    if (!this.closed)
      this.timer = setTimeout(
        () => this.open(),
        Math.min(30_000, 1000 * 2 ** this.failures++) * (0.5 + Math.random() / 2),
      );
  }

  /** Ask where the staff listens, then listen. */
  async open() {
    const mine = ++this.opening;
    try {
      const place = await get(`/sites/${this.site}/chats/live`);
      if (this.closed || mine !== this.opening) return;
      const [channel, seq] = place.position ? place.position.split('@') : [place.channel, place.seq];
      if (channel !== this.staff) {
        if (this.staff) {
          this.positions.delete(this.staff);
          this.handler.missed('');
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
    this.source?.close();
    const query = new URLSearchParams();
    for (const channel of [this.staff, ...this.wanted])
      query.append('sub', `${channel}@${this.positions.get(channel) ?? 0}`);
    query.append('token', 'staff');
    const source = (this.source = new EventSource(`/rt/sse?${query}`));
    source.onopen = () => {
      if (source !== this.source) return;
      this.failures = 0;
      this.handler.state(true);
    };
    source.onmessage = ({data}) => source === this.source && this.message(JSON.parse(data));
    source.onerror = () => {
      if (source !== this.source) return;
      // The browser comes back by itself, unless the server refused.
      if (source.readyState === 2) this.again();
      else this.handler.state(false);
    };
  }

  /** @param {any} told */
  message(told) {
    if (told.type === 'error') return this.again();
    // Somebody left: what comes next is told elsewhere.
    if (told.type === 'staff.moved') return this.again();
    const {sub, seq} = told;
    if (told.type === 'recovered') {
      this.positions.set(sub, seq);
      if (told.recovered === false) this.handler.missed(sub === this.staff ? '' : sub);
      return;
    }
    if (!sub) return;
    if (seq !== undefined) {
      // What was told before is told once.
      if (seq <= (this.positions.get(sub) ?? 0)) return;
      this.positions.set(sub, seq);
    }
    if (sub === this.staff) this.handler.staff(told);
    else this.handler.chat(sub, told);
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    clearInterval(this.tick);
    for (const name of ['online', 'pageshow']) removeEventListener(name, this.wake);
    globalThis.document?.removeEventListener?.('visibilitychange', this.wake);
    this.source?.close();
  }
}
