/* Live events: one connection, shared by the tabs of a browser (Web Locks elect the tab that holds it, BroadcastChannel
   carries its messages); without those, one each. Every subscriber gets every event once and in order, by position:
   doubles are dropped by seq, a hole is asked for again, and what the server can't replay ends in handler.reset(seq). */
import {Link} from './link.js';
import {loader, Promise} from './loader.js';
import {uid} from './values.js';

/** @typedef {import('./link.js').Message} Message */
/**
 * Who follows a channel.
 * @typedef {object} Handler
 * @property {(message: Message) => void} event
 * @property {(state: string) => void} status live, down, off, refused
 * @property {(seq: number) => Promise<number>} reset gives the seq that was loaded instead
 * @property {(() => Promise<any>) | null} [renew] gives another grant, or nothing where there is none any more
 */
/** @typedef {{seq: number, handlers: Handler[], held: Message[], busy: boolean, holes: number, renewed: number}} Entry */
/** @typedef {{sub: string, send: (message: any) => void, close: () => void}} Subscription */

const id = uid();
/** @type {Record<string, Entry>} the channels of this tab */
const local = {};
/** @type {Record<string, string>} */
const grants = {};
/** @type {BroadcastChannel | null} */
let bus = null;
/** @type {Link | null} */
let link = null;
/** @type {((value?: unknown) => void) | null} lets another tab lead */
let release = null;
let state = '';
/** @type {Record<string, Message>} the last presence by channel */
const last = {};
/** @type {Record<string, number>} when another tab asked for a channel */
const wanted = {};
let answered = 0;
/** @type {number | undefined} */
let pruning;

/** @param {object} m */
const say = m => {
  if (bus) bus.postMessage({from: id, ...m});
};
const mine = () => {
  /** @type {Record<string, number>} */
  const subs = {};
  Object.keys(local).forEach(sub => {
    subs[sub] = local[sub].seq;
  });
  return subs;
};
const grantsOfMine = () => {
  /** @type {Record<string, string>} */
  const some = {};
  Object.keys(local).forEach(sub => {
    if (grants[sub]) some[sub] = grants[sub];
  });
  return some;
};

/** @param {string} value */
function status(value) {
  state = value;
  Object.keys(local).forEach(sub => local[sub].handlers.forEach(h => h.status(value)));
}

function own() {
  if (link) return;
  link = new Link(
    grants,
    m => {
      if (m.type === 'presence') last[m.sub] = m;
      deliver(m);
      if (release) say({t: 'm', m});
    },
    value => {
      status(value);
      if (release) say({t: 'state', state: value});
    },
  );
  want(mine());
}

/** @param {Record<string, number>} subs */
function want(subs) {
  Object.keys(subs).forEach(sub => /** @type {Link} */ (link).add(sub, subs[sub]));
}

function ask() {
  const asked = Date.now();
  if (link) return want(mine());
  say({t: 'want', subs: mine(), grants: grantsOfMine()});
  // A leader that doesn't answer is frozen or gone: a connection of our own.
  setTimeout(() => {
    if (answered < asked) own();
  }, 2500);
}

/**
 * @param {Message} m
 * @param {Handler} [except]
 */
function deliver(m, except) {
  const entry = local[m.sub];
  if (!entry) return;
  const seq = /** @type {number} */ (m.seq);
  if (m.type === 'error') {
    if (/^(origin|token)$/.test(/** @type {string} */ (m.code))) refused(entry, m);
  } else if (m.type === 'recovered') {
    if (m.recovered === false && seq !== entry.seq) reset(entry, seq);
    else if (seq > entry.seq && !entry.busy) ask();
  } else if (m.seq == null) {
    entry.handlers.forEach(h => {
      if (h !== except) h.event(m);
    });
  } else if (entry.busy) {
    entry.held.push(m);
  } else if (seq === entry.seq + 1) {
    entry.seq = seq;
    entry.holes = 0;
    entry.handlers.forEach(h => h.event(m));
  } else if (seq > entry.seq) {
    if (++entry.holes > 20) reset(entry, seq);
    else if (entry.holes === 1) ask();
  }
}

/**
 * Handlers that can get another grant do so, and the channel goes on from where it is; but not again and again.
 * @param {Entry} entry
 * @param {Message} m
 */
function refused(entry, m) {
  const able = entry.handlers.filter(h => h.renew);
  const now = Date.now();
  const off = () => entry.handlers.forEach(h => h.status(m.code === 'origin' ? 'refused' : 'off'));
  if (m.code !== 'token' || !able.length || now - entry.renewed < 20000) return off();
  entry.renewed = now;
  Promise.all(able.map(h => /** @type {() => any} */ (h.renew)())).then(
    tokens => {
      if (!tokens[0]) return off();
      grants[m.sub] = tokens[0];
      if (local[m.sub] === entry) ask();
    },
    () => {
      setTimeout(
        () => {
          if (local[m.sub] === entry) refused(entry, m);
        },
        30000 * (1 + Math.random()),
      );
    },
  );
}

/**
 * @param {Entry} entry
 * @param {number} seq
 */
function reset(entry, seq) {
  if (entry.busy) return;
  entry.busy = true;
  entry.held = [];
  Promise.all(entry.handlers.map(h => h.reset(seq))).then(
    seqs => {
      entry.seq = Math.min(...seqs);
      entry.busy = false;
      entry.holes = 0;
      entry.held.forEach(e => deliver(e));
    },
    () => {
      entry.busy = false;
      setTimeout(() => reset(entry, seq), 2000 + 3000 * Math.random());
    },
  );
}

/**
 * What another tab says.
 * @param {MessageEvent} event
 */
function heard(event) {
  const m = event.data;
  if (m.from === id) return;
  if (m.t === 'm' || m.t === 'state' || m.t === 'who') {
    answered = Date.now();
    if (link) return;
    if (m.t === 'm') deliver(m.m);
    else if (m.t === 'state') status(m.state);
    else say({t: 'want', subs: mine(), grants: grantsOfMine()});
  } else if (!release) return;
  else if (m.t === 'want') {
    say({t: 'state', state});
    Object.assign(grants, m.grants);
    want(m.subs);
    Object.keys(m.subs).forEach(sub => {
      wanted[sub] = Date.now();
      if (last[sub]) say({t: 'm', m: last[sub]});
    });
  } else if (m.t === 'send') pass(m.m);
  else if (m.t === 'wake') wake();
  else if (m.t === 'drop') prune();
}

function start() {
  if (bus || link) return;
  if (!navigator.locks) return own();
  try {
    bus = new BroadcastChannel('cackle:' + loader.origin);
  } catch {
    // None here, or refused together with storage.
    return own();
  }
  bus.onmessage = heard;
  navigator.locks
    .request('cackle:' + loader.origin, () => {
      if (!bus) return;
      return new Promise(resolve => {
        release = resolve;
        own();
        say({t: 'who'});
        say({t: 'state', state});
      });
    })
    .catch(own);
  ask();
}

/** A channel that no tab shows any more is let go: the leader asks around, and drops what nobody answers for. */
function prune() {
  const since = Date.now();
  if (!release) return say({t: 'drop'});
  say({t: 'who'});
  clearTimeout(pruning);
  pruning = setTimeout(() => {
    const leading = release && link;
    if (!leading) return;
    leading.subs().forEach(sub => {
      if (!local[sub] && !(wanted[sub] >= since)) leading.remove(sub);
    });
  }, 1500);
}

function stop() {
  if (!release) say({t: 'drop'});
  if (link) link.stop();
  if (bus) bus.close();
  if (release) release();
  link = bus = release = null;
}

// A page in the back/forward cache holds neither lock nor socket.
addEventListener('pagehide', stop);
addEventListener('pageshow', event => {
  if (event.persisted && Object.keys(local).length) start();
});
addEventListener('online', () => {
  if (link) link.wake();
});
document.addEventListener('visibilitychange', () => {
  if (document.hidden || !Object.keys(local).length) return;
  if (link) link.wake();
  else if (bus) ask();
});

/**
 * What the visitor of one tab types, the other tabs of this browser see too.
 * @param {any} m
 * @param {Handler} [from]
 */
function pass(m, from) {
  const shown = {sub: m.sub, type: m.type, data: {name: m.name}};
  /** @type {Link} */ (link).send(m);
  deliver(shown, from);
  if (release) say({t: 'm', m: shown});
}

/** The server has just answered: no reason to wait longer for the line. */
function wake() {
  if (link && link.state() === 'down') link.wake();
  else if (!link && state === 'down') say({t: 'wake'});
}
loader.wake = wake;

/**
 * @param {string} position "site/channel@seq"
 * @param {Handler} handler
 * @param {string} [token] the site's grant, where it asks for one
 * @returns {Subscription}
 */
export function subscribe(position, handler, token) {
  const at = position.lastIndexOf('@');
  const sub = position.slice(0, at);
  const seq = +position.slice(at + 1);
  const entry = (local[sub] = local[sub] || {seq, handlers: [], held: [], busy: false, holes: 0, renewed: 0});
  // The second widget of one channel on one page: from the older position; handlers apply an event twice without harm.
  entry.seq = Math.min(entry.seq, seq);
  if (token) grants[sub] = token;
  entry.handlers.push(handler);
  if (state) handler.status(state);
  if (bus || link) ask();
  else start();
  return {
    sub,
    send: m => {
      m.sub = sub;
      if (link) pass(m, handler);
      else say({t: 'send', m});
    },
    close: () => {
      entry.handlers = entry.handlers.filter(h => h !== handler);
      if (entry.handlers.length) return;
      delete local[sub];
      if (bus) prune();
      else if (link) link.remove(sub);
    },
  };
}
