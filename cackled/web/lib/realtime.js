/* Live events: one connection, shared by the tabs of a browser (Web Locks elect the tab that holds it, BroadcastChannel
   carries its messages); without those, one each. Every subscriber gets every event once and in order, by position:
   doubles are dropped by seq, a hole is asked for again, and what the server can't replay ends in handler.reset(seq). */
// @ts-nocheck
import {ownFetch} from './api.js';
import {Promise, loader} from './loader.js';
import {tabStorage} from './storage.js';
import {transports} from './transports.js';
import {uid} from './values.js';

var ORDER = ['ws', 'sse', 'poll'];

/* ---- One connection that keeps itself up. subs: sub -> seq up to which everything was delivered. ---- */
function Link(deliver, status) {
  var subs = {},
    way = +tabStorage.get('way') || 0,
    failures = 0,
    tries = 0,
    connection = null,
    timer = 0,
    state = '',
    stopped = false;
  var heard = 0,
    since = 0,
    check = 0,
    better = 0,
    pause = 120000;

  function set(value) {
    if (state !== value) status((state = value));
  }
  function positions() {
    return Object.keys(subs).map(s => s + '@' + subs[s]);
  }
  // The newest first, each once: the server takes sixteen.
  function tokens() {
    return [
      ...new Set(
        Object.keys(subs)
          .reverse()
          .map(s => grants[s])
          .filter(Boolean),
      ),
    ].slice(0, 16);
  }
  function drop() {
    clearTimeout(check);
    clearTimeout(better);
    if (connection) connection.close();
    connection = null;
  }
  function later(ms) {
    drop();
    clearTimeout(timer);
    timer = setTimeout(connect, ms);
  }
  function connect() {
    var name = ORDER[way],
      opened = false,
      base = loader.base(),
      own;
    drop();
    clearTimeout(timer);
    if (stopped) return;
    if (!Object.keys(subs).length) return set('');
    if (!transports[name]) {
      next();
      return connect();
    }
    own = {
      open: () => {
        opened = true;
        heard = Date.now();
        failures = tries = since = 0;
        tabStorage.set('way', way);
        set('live');
        if (way)
          better = setTimeout(() => {
            pause *= 2;
            way = 0;
            failures = 1;
            connect();
          }, pause);
        watch();
      },
      message: m => {
        heard = Date.now();
        clearTimeout(check);
        if (m.type === 'move') return move(m);
        if (m.type === 'error' && /^(origin|token)$/.test(m.code)) {
          delete subs[m.sub];
          deliver(m);
        } else if (m.sub) {
          // Also where the numbers went back.
          if (m.recovered === false && m.sub in subs) subs[m.sub] = m.seq;
          else if (m.seq > subs[m.sub]) {
            if (m.type === 'recovered' || m.seq === subs[m.sub] + 1) subs[m.sub] = m.seq;
            else return resume(m.sub);
          }
          deliver(m);
        }
        watch();
      },
      close: fatal => {
        connection = null;
        clearTimeout(check);
        if (fatal) {
          // One of the grants has run out, it isn't said which: without those the rest goes on, and each may come back with another.
          own = fatal === 401 ? Object.keys(subs).filter(s => grants[s]) : [];
          if (!own.length) {
            stopped = true;
            return set(fatal === 403 ? 'refused' : 'off');
          }
          way = +tabStorage.get('way') || 0;
          failures = tries = 0;
          set('');
          own.forEach(sub => {
            delete subs[sub];
            deliver({type: 'error', code: 'token', sub: sub});
          });
          return again();
        }
        set('down');
        since = since || Date.now();
        // A way that failed twice to open is given up for another one, unless it's the server that can't be reached.
        if (opened || navigator.onLine === false || ++failures < 2) return again();
        reachable(base).then(yes => {
          if (yes) next();
          else loader.fail(base);
          if (!connection) again();
        });
      },
    };
    try {
      connection = transports[name](base, positions(), tokens(), own);
    } catch (e) {
      next();
      later(50);
    }
  }
  // Full jitter; never longer than half of what the break has lasted, so that a short one ends soon.
  function again() {
    later(Math.random() * Math.min(30000, 400 * Math.pow(2, tries++), Math.max(4000, (Date.now() - since) / 2)));
  }
  function reachable(base) {
    var control = new AbortController(),
      limit = setTimeout(() => {
        control.abort();
      }, 5000);
    return ownFetch(base + '/healthz', {
      mode: 'no-cors',
      credentials: 'omit',
      cache: 'no-store',
      signal: control.signal,
    })
      .then(
        () => true,
        () => false,
      )
      .finally(() => {
        clearTimeout(limit);
      });
  }
  function next() {
    way = (way + 1) % ORDER.length;
    failures = 0;
  }
  // Browsers hide the server's pings from scripts: after a long silence ask, and believe only silence to a question.
  function watch() {
    clearTimeout(check);
    check = setTimeout(() => {
      ask(10000);
    }, 60000);
  }
  function ask(limit) {
    var asked = Date.now();
    if (!connection || !connection.send) return;
    connection.send({type: 'ping'});
    clearTimeout(check);
    check = setTimeout(() => {
      if (heard < asked && !document.hidden) later(0);
    }, limit);
  }
  function move(m) {
    var host = m.host && (m.host.indexOf('://') > 0 ? m.host : location.protocol + '//' + m.host);
    setTimeout(
      () => {
        if (stopped) return;
        if (host) loader.move(host);
        else loader.fail(loader.base());
        way = 0;
        connect();
      },
      1000 * (m.after || 0),
    );
  }
  function resume(sub) {
    if (connection && connection.send && state === 'live') {
      connection.send({type: 'unsub', sub: sub});
      connection.send({type: 'sub', sub: sub + '@' + subs[sub], token: grants[sub]});
    } else if (connection || state === '') later(20);
  }
  function wake() {
    if (stopped || !Object.keys(subs).length) return;
    if (state !== 'live') {
      tries = 0;
      later(Math.random() * 300);
    } else if (connection && connection.send) ask(5000);
    else if (Date.now() - heard > 60000) later(0);
  }
  return {
    add: (sub, seq) => {
      if (subs[sub] <= seq) return;
      subs[sub] = seq;
      resume(sub);
    },
    remove: sub => {
      delete subs[sub];
      if (!Object.keys(subs).length) {
        drop();
        clearTimeout(timer);
        set('');
      } else if (connection && connection.send) connection.send({type: 'unsub', sub: sub});
      else if (connection) later(20);
    },
    send: m => {
      if (connection && connection.send) connection.send(m);
    },
    wake: wake,
    stop: () => {
      stopped = true;
      drop();
      clearTimeout(timer);
    },
    state: () => state,
    subs: () => Object.keys(subs),
  };
}

/* ---- The tabs of a browser. ---- */
var id = uid(),
  local = {},
  grants = {},
  bus = null,
  link = null,
  release = null,
  state = '',
  last = {},
  wanted = {},
  answered = 0,
  pruning = 0;

function say(m) {
  if (bus) bus.postMessage(Object.assign({from: id}, m));
}
function mine() {
  var subs = {};
  Object.keys(local).forEach(sub => {
    subs[sub] = local[sub].seq;
  });
  return subs;
}
function mineOf(all) {
  var some = {};
  Object.keys(local).forEach(sub => {
    if (all[sub]) some[sub] = all[sub];
  });
  return some;
}
function status(value) {
  state = value;
  Object.keys(local).forEach(sub => {
    local[sub].handlers.forEach(h => {
      h.status(value);
    });
  });
}
function own() {
  if (link) return;
  link = Link(
    m => {
      if (m.type === 'presence') last[m.sub] = m;
      deliver(m);
      if (release) say({t: 'm', m: m});
    },
    value => {
      status(value);
      if (release) say({t: 'state', state: value});
    },
  );
  want(mine());
}
function want(subs) {
  Object.keys(subs).forEach(sub => {
    link.add(sub, subs[sub]);
  });
}
function ask() {
  var asked = Date.now();
  if (link) return want(mine());
  say({t: 'want', subs: mine(), grants: mineOf(grants)});
  // A leader that doesn't answer is frozen or gone: a connection of our own.
  setTimeout(() => {
    if (answered < asked) own();
  }, 2500);
}

function deliver(m, except) {
  var entry = local[m.sub];
  if (!entry) return;
  if (m.type === 'error') {
    if (/^(origin|token)$/.test(m.code)) refused(entry, m);
  } else if (m.type === 'recovered') {
    if (m.recovered === false && m.seq !== entry.seq) reset(entry, m.seq);
    else if (m.seq > entry.seq && !entry.busy) ask();
  } else if (m.seq == null) {
    entry.handlers.forEach(h => {
      if (h !== except) h.event(m);
    });
  } else if (entry.busy) {
    entry.held.push(m);
  } else if (m.seq === entry.seq + 1) {
    entry.seq = m.seq;
    entry.holes = 0;
    entry.handlers.forEach(h => {
      h.event(m);
    });
  } else if (m.seq > entry.seq) {
    if (++entry.holes > 20) reset(entry, m.seq);
    else if (entry.holes === 1) ask();
  }
}
/* Handlers that can get another grant do so, and the channel goes on from where it is; but not again and again. */
function refused(entry, m) {
  var able = entry.handlers.filter(h => h.renew),
    now = Date.now(),
    off = () => {
      entry.handlers.forEach(h => {
        h.status(m.code === 'origin' ? 'refused' : 'off');
      });
    };
  if (m.code !== 'token' || !able.length || now - entry.renewed < 20000) return off();
  entry.renewed = now;
  Promise.all(able.map(h => h.renew())).then(
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
function reset(entry, seq) {
  if (entry.busy) return;
  entry.busy = true;
  entry.held = [];
  Promise.all(entry.handlers.map(h => h.reset(seq))).then(
    seqs => {
      entry.seq = Math.min.apply(null, seqs);
      entry.busy = false;
      entry.holes = 0;
      entry.held.forEach(e => {
        deliver(e);
      });
    },
    () => {
      entry.busy = false;
      setTimeout(
        () => {
          reset(entry, seq);
        },
        2000 + 3000 * Math.random(),
      );
    },
  );
}

function heard(event) {
  var m = event.data;
  if (m.from === id) return;
  if (m.t === 'm') {
    answered = Date.now();
    if (!link) deliver(m.m);
  } else if (m.t === 'state') {
    answered = Date.now();
    if (!link) status(m.state);
  } else if (m.t === 'who') {
    answered = Date.now();
    if (!link) say({t: 'want', subs: mine(), grants: mineOf(grants)});
  } else if (!release) return;
  else if (m.t === 'want') {
    say({t: 'state', state: state});
    Object.assign(grants, m.grants);
    want(m.subs);
    Object.keys(m.subs).forEach(sub => {
      wanted[sub] = Date.now();
      if (last[sub]) say({t: 'm', m: last[sub]});
    });
  } else if (m.t === 'send') pass(m.m);
  else if (m.t === 'wake') loader.wake();
  else if (m.t === 'drop') prune();
}

function start() {
  if (bus || link) return;
  if (!window.BroadcastChannel || !navigator.locks) return own();
  bus = new BroadcastChannel('cackle:' + loader.origin);
  bus.onmessage = heard;
  navigator.locks
    .request('cackle:' + loader.origin, () => {
      if (!bus) return;
      return new Promise(resolve => {
        release = resolve;
        own();
        say({t: 'who'});
        say({t: 'state', state: state});
      });
    })
    .catch(own);
  ask();
}
/* A channel that no tab shows any more is let go: the leader asks around, and drops what nobody answers for. */
function prune() {
  var since = Date.now();
  if (!release) return say({t: 'drop'});
  say({t: 'who'});
  clearTimeout(pruning);
  pruning = setTimeout(() => {
    if (!release) return;
    link.subs().forEach(sub => {
      if (!local[sub] && !(wanted[sub] >= since)) link.remove(sub);
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

/* What the visitor of one tab types, the other tabs of this browser see too. */
function pass(m, from) {
  var shown = {sub: m.sub, type: m.type, data: {name: m.name}};
  link.send(m);
  deliver(shown, from);
  if (release) say({t: 'm', m: shown});
}
/* The server has just answered: no reason to wait longer for the line. */
loader.wake = () => {
  if (link && link.state() === 'down') link.wake();
  else if (!link && state === 'down') say({t: 'wake'});
};

/* position "site/channel@seq". handler: event(message), status('live'|'down'|'off'), reset(seq) -> promise of the seq that
   was loaded instead, renew() -> promise of another grant (or of nothing, where there is none any more); the last is optional.
   token: the site's grant, where it asks for one. -> {send(message), close()} */
export const subscribe = (position, handler, token) => {
  var at = position.lastIndexOf('@'),
    sub = position.slice(0, at),
    seq = +position.slice(at + 1),
    entry = local[sub];
  if (entry) {
    // The second widget of one channel on one page: from the older position; handlers apply an event twice without harm.
    entry.seq = Math.min(entry.seq, seq);
  } else entry = local[sub] = {seq: seq, handlers: [], held: [], busy: false, holes: 0};
  if (token) grants[sub] = token;
  entry.handlers.push(handler);
  if (state) handler.status(state);
  if (bus || link) ask();
  else start();
  return {
    sub: sub,
    send: m => {
      m.sub = sub;
      if (link) pass(m, handler);
      else say({t: 'send', m: m});
    },
    close: () => {
      entry.handlers = entry.handlers.filter(h => h !== handler);
      if (entry.handlers.length) return;
      delete local[sub];
      if (bus) prune();
      else if (link) link.remove(sub);
    },
  };
};
