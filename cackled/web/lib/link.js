/* One connection to the live server that keeps itself up, by whichever way works; free of what it is for. */
import {loader} from './loader.js';
import {ownFetch} from './fetching.js';
import {tabStorage} from './storage.js';
import {transports} from './transports.js';

/**
 * @typedef {object} Message
 * @property {string} type
 * @property {string} sub
 * @property {number} [seq]
 * @property {any} [data]
 * @property {boolean} [recovered]
 * @property {string} [code]
 * @property {string} [host]
 * @property {number} [after]
 */

const ORDER = ['ws', 'sse', 'poll'];

export class Link {
  /**
   * @param {Record<string, string>} grants by channel
   * @param {(message: Message) => void} deliver
   * @param {(state: string) => void} status live, down, off, refused
   */
  constructor(grants, deliver, status) {
    this.grants = grants;
    this.deliver = deliver;
    this.status = status;
    /** @type {Record<string, number>} seq up to which everything was delivered */
    this.seqs = {};
    // Which of ORDER; how often it failed to open, how often any did.
    this.way = +tabStorage.get('way') || 0;
    this.failures = 0;
    this.tries = 0;
    /** @type {import('./transports.js').Connection | null} */
    this.connection = null;
    this.value = '';
    this.stopped = false;
    // When something came last, when the break began.
    this.heard = 0;
    this.since = 0;
    // How long a worse way is good enough.
    this.pause = 120000;
    /** @type {number | undefined} */
    this.timer = undefined;
    /** @type {number | undefined} */
    this.check = undefined;
    /** @type {number | undefined} */
    this.better = undefined;
  }

  state() {
    return this.value;
  }
  subs() {
    return Object.keys(this.seqs);
  }
  /** @param {string} value */
  set(value) {
    if (this.value !== value) this.status((this.value = value));
  }
  drop() {
    clearTimeout(this.check);
    clearTimeout(this.better);
    if (this.connection) this.connection.close();
    this.connection = null;
  }
  /** @param {number} ms */
  later(ms) {
    this.drop();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.connect(), ms);
  }

  /** @returns {void} */
  connect() {
    this.drop();
    clearTimeout(this.timer);
    if (this.stopped) return;
    const subs = this.subs();
    if (!subs.length) return this.set('');
    const open = transports[ORDER[this.way]];
    if (!open) {
      this.next();
      return this.connect();
    }
    const base = loader.base();
    let opened = false;
    // The newest grants first, each once: the server takes sixteen.
    const tokens = [...new Set([...subs].reverse().map(sub => this.grants[sub]))].filter(Boolean).slice(0, 16);
    try {
      this.connection = open(
        base,
        subs.map(sub => sub + '@' + this.seqs[sub]),
        tokens,
        {
          open: () => {
            opened = true;
            this.opened();
          },
          message: m => this.message(m),
          close: fatal => this.closed(base, opened, fatal),
        },
      );
    } catch {
      this.next();
      this.later(50);
    }
  }

  opened() {
    this.heard = Date.now();
    this.failures = this.tries = this.since = 0;
    tabStorage.set('way', this.way);
    this.set('live');
    if (this.way) {
      this.better = setTimeout(() => {
        this.pause *= 2;
        this.way = 0;
        this.failures = 1;
        this.connect();
      }, this.pause);
    }
    this.watch();
  }

  /** @param {Message} m */
  message(m) {
    const {sub} = m;
    const seq = /** @type {number} */ (m.seq);
    const {seqs} = this;
    this.heard = Date.now();
    clearTimeout(this.check);
    if (m.type === 'move') return this.move(m);
    if (m.type === 'error' && /^(origin|token)$/.test(/** @type {string} */ (m.code))) {
      delete seqs[sub];
      this.deliver(m);
    } else if (sub) {
      // Also where the numbers went back.
      if (m.recovered === false && sub in seqs) seqs[sub] = seq;
      else if (seq > seqs[sub]) {
        if (m.type === 'recovered' || seq === seqs[sub] + 1) seqs[sub] = seq;
        else return this.resume(sub);
      }
      this.deliver(m);
    }
    this.watch();
  }

  /**
   * @param {string} base
   * @param {boolean} opened
   * @param {number | false} [fatal]
   */
  closed(base, opened, fatal) {
    this.connection = null;
    clearTimeout(this.check);
    if (fatal) return this.shut(fatal);
    this.set('down');
    this.since = this.since || Date.now();
    // A way that failed twice to open is given up for another one, unless it's the server that can't be reached.
    if (opened || navigator.onLine === false || ++this.failures < 2) return this.again();
    this.reachable(base).then(yes => {
      if (yes) this.next();
      else loader.fail(base);
      if (!this.connection) this.again();
    });
  }

  /** @param {number} status */
  shut(status) {
    // One of the grants has run out, it isn't said which: without those the rest goes on, and each may come back with
    // another.
    const own = status === 401 ? this.subs().filter(sub => this.grants[sub]) : [];
    if (!own.length) {
      this.stopped = true;
      return this.set(status === 403 ? 'refused' : 'off');
    }
    this.way = +tabStorage.get('way') || 0;
    this.failures = this.tries = 0;
    this.set('');
    own.forEach(sub => {
      delete this.seqs[sub];
      this.deliver({type: 'error', code: 'token', sub});
    });
    this.again();
  }

  /** Full jitter; never longer than half of what the break has lasted, so that a short one ends soon. */
  again() {
    const most = Math.min(30000, 400 * Math.pow(2, this.tries++), Math.max(4000, (Date.now() - this.since) / 2));
    this.later(Math.random() * most);
  }

  /** @param {string} base */
  reachable(base) {
    const control = new AbortController();
    const limit = setTimeout(() => control.abort(), 5000);
    /** @type {RequestInit} */
    const init = {mode: 'no-cors', credentials: 'omit', cache: 'no-store', signal: control.signal};
    return ownFetch(base + '/healthz', init)
      .then(
        () => true,
        () => false,
      )
      .finally(() => clearTimeout(limit));
  }

  next() {
    this.way = (this.way + 1) % ORDER.length;
    this.failures = 0;
  }

  /** Browsers hide the server's pings from scripts: after a long silence ask, and believe only silence to a question. */
  watch() {
    clearTimeout(this.check);
    this.check = setTimeout(() => this.ask(10000), 60000);
  }
  /** @param {number} limit */
  ask(limit) {
    const asked = Date.now();
    if (!this.connection || !this.connection.send) return;
    this.connection.send({type: 'ping'});
    clearTimeout(this.check);
    this.check = setTimeout(() => {
      if (this.heard < asked && !document.hidden) this.later(0);
    }, limit);
  }

  /** @param {Message} m */
  move(m) {
    const host = m.host && (m.host.indexOf('://') > 0 ? m.host : location.protocol + '//' + m.host);
    setTimeout(
      () => {
        if (this.stopped) return;
        if (host) loader.move(host);
        else loader.fail(loader.base());
        this.way = 0;
        this.connect();
      },
      1000 * (m.after || 0),
    );
  }

  /** @param {string} sub */
  resume(sub) {
    const {connection} = this;
    if (connection && connection.send && this.value === 'live') {
      connection.send({type: 'unsub', sub});
      connection.send({type: 'sub', sub: sub + '@' + this.seqs[sub], token: this.grants[sub]});
    } else if (connection || this.value === '') this.later(20);
  }

  /** What made waiting sensible may be over. */
  wake() {
    if (this.stopped || !this.subs().length) return;
    if (this.value !== 'live') {
      this.tries = 0;
      this.later(Math.random() * 300);
    } else if (this.connection && this.connection.send) this.ask(5000);
    else if (Date.now() - this.heard > 60000) this.later(0);
  }

  /**
   * @param {string} sub
   * @param {number} seq
   */
  add(sub, seq) {
    if (this.seqs[sub] <= seq) return;
    this.seqs[sub] = seq;
    this.resume(sub);
  }
  /** @param {string} sub */
  remove(sub) {
    delete this.seqs[sub];
    if (!this.subs().length) {
      this.drop();
      clearTimeout(this.timer);
      this.set('');
    } else if (this.connection && this.connection.send) this.connection.send({type: 'unsub', sub});
    else if (this.connection) this.later(20);
  }
  /** @param {object} m */
  send(m) {
    if (this.connection && this.connection.send) this.connection.send(m);
  }
  stop() {
    this.stopped = true;
    this.drop();
    clearTimeout(this.timer);
  }
}
