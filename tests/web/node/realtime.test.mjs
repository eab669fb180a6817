// The live line: every event once and in order, whatever the connection drops, doubles or leaves out.
import assert from 'node:assert/strict';
import {beforeEach, mock, test} from 'node:test';
import {hosts, pass, settle, stopClocks, tab} from './page.mjs';

/** Connections, the newest last. @type {any[]} */
let sockets = [];
class Socket {
  static refuse = false;
  constructor(url) {
    this.url = new URL(url);
    this.readyState = 0;
    this.sent = [];
    sockets.push(this);
  }
  /** Where it was asked to begin. */
  get positions() {
    return this.url.searchParams.getAll('sub');
  }
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close() {
    this.readyState = 3;
  }
  // What the server does:
  opens() {
    this.readyState = 1;
    this.onopen();
  }
  tells(message) {
    this.onmessage?.({data: JSON.stringify(message)});
  }
  ends() {
    this.readyState = 3;
    this.onclose?.();
  }
}
globalThis.WebSocket = Socket;
delete globalThis.EventSource;
stopClocks(1_000_000);

let tabs = 0;
/** The module of one tab. It says that it is a page of its own by its address. */
async function openTab() {
  tabs += 1;
  return import(`../../../cackled/web/lib/live.js?tab=${tabs}`);
}

/** A reader: what it was given. */
function reader(more = {}) {
  const got = [],
    resets = [],
    states = [];
  return {
    got,
    resets,
    states,
    event: m => got.push(m.seq ?? m.type),
    status: state => states.push(state),
    reset: async seq => {
      resets.push(seq);
      return seq;
    },
    ...more,
  };
}
const event = (sub, seq) => ({sub, seq, type: 'comment.created', data: {}});

beforeEach(() => {
  sockets = [];
  hosts.splice(0, hosts.length, 'https://a.example', 'https://b.example');
  tab.kept.clear();
  delete globalThis.BroadcastChannel;
  Object.defineProperty(globalThis, 'navigator', {value: {onLine: true}, configurable: true, writable: true});
  mock.method(Math, 'random', () => 0.5);
});

/** A connected reader of one channel. */
async function connected(sub, seq, more) {
  const {subscribe} = await openTab(),
    handler = reader(more);
  const line = subscribe(`${sub}@${seq}`, handler);
  await pass(50);
  sockets.at(-1).opens();
  return {handler, line, socket: sockets.at(-1), subscribe};
}

test('a subscription begins at its position, and events come in order', async () => {
  const {handler, socket, line} = await connected('1/5', 10);
  assert.deepEqual(socket.positions, ['1/5@10']);
  for (const seq of [11, 12, 13]) socket.tells(event('1/5', seq));
  socket.tells({sub: '1/5', type: 'typing', data: {name: 'Ann'}});
  assert.deepEqual(handler.got, [11, 12, 13, 'typing']);
  assert.deepEqual(handler.states, ['live']);
  line.close();
});

test('what comes twice is given once, and what is older than the page is not given', async () => {
  const {handler, socket, line} = await connected('1/5', 10);
  for (const seq of [9, 10, 11, 11, 10, 12, 11]) socket.tells(event('1/5', seq));
  assert.deepEqual(handler.got, [11, 12]);
  line.close();
});

test('a gap is asked for from where it begins, and nothing after it is given before it is filled', async () => {
  const {handler, socket, line} = await connected('1/5', 10);
  socket.tells(event('1/5', 11));
  socket.tells(event('1/5', 14));
  assert.deepEqual(handler.got, [11]);
  assert.deepEqual(socket.sent, [
    {type: 'unsub', sub: '1/5'},
    {type: 'sub', sub: '1/5@11'},
  ]);
  for (const seq of [12, 13, 14, 15]) socket.tells(event('1/5', seq));
  assert.deepEqual(handler.got, [11, 12, 13, 14, 15]);
  line.close();
});

test('random losses and doubles: everything once, in order', async () => {
  let seed = 7;
  const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  const {handler, line} = await connected('1/5', 0);
  const last = 300;
  let from = 1;
  for (let n = 0; n < 3000 && handler.got.at(-1) !== last; n++) {
    const socket = sockets.at(-1);
    const asks = socket.sent.filter(m => m.type === 'sub');
    if (asks.length) from = Number(asks.at(-1).sub.split('@')[1]) + 1;
    socket.sent.length = 0;
    if (random() < 0.02) {
      socket.ends();
      await pass(400);
      sockets.at(-1).opens();
      from = Number(sockets.at(-1).positions[0].split('@')[1]) + 1;
    }
    // One is lost, another comes again, from wherever the server was asked to go on.
    if (random() < 0.1) from += 1;
    if (random() < 0.2 && from > 1) sockets.at(-1).tells(event('1/5', from - 1));
    if (from <= last) sockets.at(-1).tells(event('1/5', from++));
    else
      (sockets.at(-1).tells({type: 'recovered', sub: '1/5', recovered: true, seq: last}),
        (from = handler.got.length + 1));
  }
  assert.deepEqual(
    handler.got,
    Array.from({length: last}, (_, n) => n + 1),
  );
  assert.deepEqual(handler.resets, []);
  line.close();
});

test('what the server can’t replay: the page is loaded anew, and what comes meanwhile waits', async () => {
  let loaded;
  const {handler, socket, line} = await connected('1/5', 10, {reset: () => new Promise(done => (loaded = done))});
  socket.tells({type: 'recovered', sub: '1/5', recovered: false, seq: 40});
  socket.tells(event('1/5', 41));
  socket.tells(event('1/5', 42));
  assert.deepEqual(handler.got, []);
  // It was loaded when 41 had happened already.
  loaded(41);
  await settle();
  assert.deepEqual(handler.got, [42]);
  socket.tells(event('1/5', 43));
  assert.deepEqual(handler.got, [42, 43]);
  line.close();
});

test('numbers that went back count too', async () => {
  const {handler, socket, line} = await connected('1/5', 100);
  socket.tells({type: 'recovered', sub: '1/5', recovered: false, seq: 3});
  await settle();
  assert.deepEqual(handler.resets, [3]);
  socket.tells(event('1/5', 4));
  assert.deepEqual(handler.got, [4]);
  line.close();
});

test('a page that can’t be loaded is tried again', async () => {
  let failures = 2;
  const resets = [];
  const {handler, socket, line} = await connected('1/5', 10, {
    reset: async seq => {
      resets.push(seq);
      if (failures-- > 0) throw new Error('away');
      return seq;
    },
  });
  socket.tells({type: 'recovered', sub: '1/5', recovered: false, seq: 40});
  await pass(4000);
  await pass(4000);
  assert.deepEqual(resets, [40, 40, 40]);
  socket.tells(event('1/5', 41));
  assert.deepEqual(handler.got, [41]);
  line.close();
});

test('a connection that ends comes back from where it was, at another server if this one is gone', async () => {
  const {handler, socket, line} = await connected('1/5', 10);
  socket.tells(event('1/5', 11));
  socket.ends();
  await pass(400);
  assert.deepEqual([sockets.length, sockets[1].positions, sockets[1].url.host], [2, ['1/5@11'], 'a.example']);
  assert.deepEqual(handler.states, ['live', 'down']);
  globalThis.fetch = async () => {
    throw new TypeError('away');
  };
  for (let n = 1; n < 3; n++) {
    sockets.at(-1).ends();
    await pass(3000);
  }
  assert.equal(sockets.at(-1).url.host, 'b.example');
  sockets.at(-1).opens();
  sockets.at(-1).tells(event('1/5', 12));
  assert.deepEqual(handler.got, [11, 12]);
  line.close();
});

test('who is asked to move moves, when it was asked to', async () => {
  const {socket, line} = await connected('1/5', 10);
  socket.tells({type: 'move', host: 'https://b.example', after: 2});
  await pass(1999);
  assert.equal(sockets.length, 1);
  await pass(1);
  assert.deepEqual([sockets.length, sockets[1].url.host, socket.readyState], [2, 'b.example', 3]);
  line.close();
});

test('silence is asked about, and only silence to the question ends the connection', async () => {
  const {socket, line} = await connected('1/5', 10);
  await pass(60_000);
  assert.deepEqual(socket.sent, [{type: 'ping'}]);
  socket.tells({type: 'pong'});
  await pass(10_000);
  assert.equal(sockets.length, 1);
  await pass(60_000);
  await pass(10_000);
  await pass(10);
  assert.equal(sockets.length, 2);
  line.close();
});

test('a grant that has run out is renewed, and the channel goes on from where it was', async () => {
  let renewed = 0;
  const {subscribe} = await openTab(),
    handler = reader({
      renew: async () => {
        renewed += 1;
        return 'new';
      },
    });
  const line = subscribe('1/5@10', handler, 'old');
  await pass(50);
  const [socket] = sockets;
  socket.opens();
  assert.deepEqual(socket.url.searchParams.getAll('token'), ['old']);
  socket.tells(event('1/5', 11));
  socket.tells({type: 'error', code: 'token', sub: '1/5'});
  await settle();
  assert.equal(renewed, 1);
  assert.deepEqual(socket.sent.at(-1), {type: 'sub', sub: '1/5@11', token: 'new'});
  // Not again and again.
  socket.tells({type: 'error', code: 'token', sub: '1/5'});
  await settle();
  assert.equal(renewed, 1);
  assert.equal(handler.states.at(-1), 'off');
  line.close();
});

test('two readers of a channel share it, and the second one’s older position is caught up', async () => {
  const {handler, socket, subscribe, line} = await connected('1/5', 12);
  const second = reader(),
    other = subscribe('1/5@10', second);
  assert.deepEqual(socket.sent.at(-1), {type: 'sub', sub: '1/5@10'});
  for (const seq of [11, 12, 13]) socket.tells(event('1/5', seq));
  assert.deepEqual(second.got, [11, 12, 13]);
  assert.equal(handler.got.at(-1), 13);
  other.close();
  socket.tells(event('1/5', 14));
  assert.deepEqual([second.got.at(-1), handler.got.at(-1)], [13, 14]);
  line.close();
  assert.equal(socket.readyState, 3, 'nobody reads any more');
});

/** Tabs of one browser: a channel between them, and a lock that one holds. */
function browser() {
  const channels = new Set(),
    queue = [];
  let held = false;
  globalThis.BroadcastChannel = class {
    constructor() {
      channels.add(this);
    }
    postMessage(data) {
      for (const one of channels) if (one !== this) one.onmessage?.({data: structuredClone(data)});
    }
    close() {
      channels.delete(this);
    }
  };
  const next = () => {
    if (held || !queue.length) return;
    held = true;
    const f = queue.shift();
    Promise.resolve(f()).finally(() => {
      held = false;
      next();
    });
  };
  navigator.locks = {
    request: async (name, f) => {
      queue.push(f);
      await Promise.resolve();
      next();
    },
  };
}

test('tabs share one connection; each gets what its page needs', async () => {
  browser();
  const first = await openTab(),
    second = await openTab(),
    one = reader(),
    two = reader();
  first.subscribe('1/5@10', one);
  await pass(100);
  sockets[0].opens();
  second.subscribe('1/5@8', two);
  second.subscribe('1/6@3', reader());
  await pass(100);
  assert.equal(sockets.length, 1);
  const asks = sockets[0].sent.filter(m => m.type === 'sub').map(m => m.sub);
  assert.deepEqual(asks, ['1/5@8', '1/6@3']);
  for (const seq of [9, 10, 11]) sockets[0].tells(event('1/5', seq));
  await settle();
  assert.deepEqual([one.got, two.got], [[11], [9, 10, 11]]);
  assert.deepEqual(two.states.at(-1), 'live');
  await pass(5000);
  assert.equal(sockets.length, 1, 'the leader answers');
});

test('a tab whose leader is silent makes a connection of its own', async () => {
  browser();
  // The lock is held by a tab that is frozen.
  navigator.locks.request('x', () => new Promise(() => {}));
  await settle();
  const {subscribe} = await openTab(),
    handler = reader();
  subscribe('1/5@10', handler);
  await pass(2400);
  assert.equal(sockets.length, 0);
  await pass(200);
  await pass(50);
  assert.equal(sockets.length, 1);
  sockets[0].opens();
  sockets[0].tells(event('1/5', 11));
  assert.deepEqual(handler.got, [11]);
});
