// What the operators' console knows of chats: a model of the server tells it in two kinds of channels that are cut,
// doubled and late; in the end each row that is shown is as the server has it, and nothing was heard of the others.
import assert from 'node:assert/strict';
import {test} from 'node:test';

const turn = async () => {
  for (let n = 0; n < 40; n++) await Promise.resolve();
};
/** Numbers that look random, the same in each run. @param {number} seed */
const randomOf = seed => () => {
  seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
  return seed / 2_147_483_648;
};

/** The server: chats, their channels, the operators' channel, and what an answer of it looks like. */
class Server {
  /** @param {number} history events of a channel that are kept */
  constructor(history) {
    this.history = history;
    /** @type {Map<string, any>} */
    this.chats = new Map();
    /** @type {Map<string, {seq: number, events: any[]}>} */
    this.channels = new Map([['1/1', {seq: 0, events: []}]]);
    /** @type {Set<any>} */
    this.sockets = new Set();
    this.clock = 1_700_000_000_000;
    /** Whether more changes than is told at once. */
    this.busy = false;
    /** @type {Set<string>} */
    this.untold = new Set();
    /** The ticket that opens channels. */
    this.ticket = 'staff.0';
  }

  time() {
    return new Date((this.clock += 1000)).toISOString();
  }

  /** @param {string} channel @param {string} type @param {any} data */
  tell(channel, type, data) {
    const place = /** @type {any} */ (this.channels.get(channel));
    const event = {sub: channel, seq: ++place.seq, type, data: structuredClone(data)};
    place.events.push(event);
    if (place.events.length > this.history) place.events.shift();
    for (const one of this.sockets) if (one.subs.has(channel)) one.give(event);
    return place.seq;
  }

  counts() {
    const all = [...this.chats.values()];
    return {
      waiting: all.filter(one => one.state === 'waiting').length,
      open: all.filter(one => one.state === 'open').length,
    };
  }

  /** @param {any} chat @param {boolean} words */
  row(chat, words) {
    const {messages, ...rest} = chat;
    const seq = messages.reduce((/** @type {number} */ most, /** @type {any} */ one) => Math.max(most, one.seq), 0);
    const text = messages.filter((/** @type {any} */ one) => !one.deleted).at(-1);
    return structuredClone({
      ...rest,
      status: chat.state,
      seq,
      told: this.channels.get(`1/${chat.channel}`)?.seq,
      unread: messages.filter((/** @type {any} */ one) => one.from === 'visitor' && one.seq > chat.read.operator)
        .length,
      ...(words ? {last: text ? {from: text.from, text: text.text, created: text.created} : null} : {}),
    });
  }

  /** @param {any} chat @param {string} type */
  changed(chat, type) {
    chat.version++;
    this.tell(`1/${chat.channel}`, 'chat.updated', {id: chat.id, state: chat.state});
    this.staff(chat, type);
  }

  /** How a chat stands: at once, or noted for the next time that all of it is told. @param {any} chat @param {string} type */
  staff(chat, type) {
    if (this.busy) this.untold.add(chat.id);
    else this.tell('1/1', type, {...this.row(chat, false), counts: this.counts()});
  }

  /** What was noted is told, at most *most*; of more than that consoles know only that it is so. @param {number} most */
  gather(most) {
    if (!this.untold.size) return;
    const ids = [...this.untold].slice(0, most);
    const more = this.untold.size > most;
    this.untold.clear();
    const rows = ids.map(id => ({...this.row(this.chats.get(id), false), counts: this.counts()}));
    this.tell('1/1', 'chat.gathered', {rows, more});
  }

  /** @param {string} id */
  begin(id) {
    const created = this.time();
    const chat = {
      id, state: 'waiting', created, waiting_since: created, channel: `9${id}`, version: 1, labels: [],
      assignee: null, guests: [], read: {visitor: 0, operator: 0}, messages: /** @type {any[]} */ ([]),
    }; // prettier-ignore
    this.chats.set(id, chat);
    this.channels.set(`1/${chat.channel}`, {seq: 0, events: []});
    this.say(id, 'visitor', 'hello', false);
    this.staff(chat, 'chat.queued');
  }

  /** @param {string} id @param {string} from @param {string} text @param {boolean} [_told] */
  say(id, from, text, _told = true) {
    const chat = this.chats.get(id);
    const place = `1/${chat.channel}`;
    const seq = /** @type {any} */ (this.channels.get(place)).seq + 1;
    const message = {id: `${id}-${seq}`, seq, from, kind: 'text', text, created: this.time(), deleted: false};
    chat.messages.push(message);
    chat.version++;
    chat.read = {...chat.read, [from]: seq};
    this.tell(place, 'message.created', {message, chat: id});
  }

  /** @param {string} id */
  unsay(id) {
    const chat = this.chats.get(id);
    const message = chat.messages.filter((/** @type {any} */ one) => !one.deleted).at(-1);
    if (!message) return;
    message.deleted = true;
    message.text = '';
    const place = /** @type {any} */ (this.channels.get(`1/${chat.channel}`));
    for (const one of place.events) if (one.data.message?.id === message.id) one.data.message = {...message};
    this.tell(`1/${chat.channel}`, 'message.updated', {message, chat: id});
  }

  /** @param {string} id */
  readAll(id) {
    const chat = this.chats.get(id);
    const most = chat.messages.at(-1)?.seq || 0;
    if (most <= chat.read.operator) return;
    chat.read = {...chat.read, operator: most};
    this.tell(`1/${chat.channel}`, 'chat.read', {id, by: 'operator', seq: most});
  }

  /** @param {string} id @param {any} part */
  become(id, part) {
    const chat = this.chats.get(id);
    Object.assign(chat, part, {waiting_since: part.state === 'waiting' ? this.time() : null});
    this.changed(chat, 'chat.changed');
  }

  /** @param {Record<string, string>} query */
  list({state}) {
    const mine = (/** @type {any} */ one) => one.assignee?.id === 'me';
    const rows = [...this.chats.values()]
      .filter(one => state === 'all' || (state === 'mine' ? mine(one) && one.state === 'open' : one.state === state))
      .map(one => this.row(one, true));
    const when = (/** @type {any} */ one) => one.last?.created || one.created;
    rows.sort((a, b) =>
      state === 'waiting' ? (a.waiting_since < b.waiting_since ? -1 : 1) : when(a) > when(b) ? -1 : 1,
    );
    return {
      chats: rows,
      cursor: '',
      counts: {
        ...this.counts(),
        mine: [...this.chats.values()].filter(one => mine(one) && one.state === 'open').length,
      },
    };
  }
}

/** The server's side of a WebSocket: what it sends arrives in order, when it is let through. */
function socketsOf(/** @type {Server} */ server) {
  return class {
    /** @param {string} address */
    constructor(address) {
      this.readyState = 0;
      this.subs = new Set();
      /** @type {any[]} */
      this.line = [];
      /** @type {any} */
      this.onopen = this.onmessage = this.onclose = null;
      server.sockets.add(this);
      const {searchParams} = new URL(address);
      this.first = String(searchParams.get('sub'));
      this.tickets = [searchParams.get('token')];
    }

    /** Whether a ticket of this connection holds: as with the daemon, one is for all channels. */
    get admitted() {
      return this.tickets.includes(server.ticket);
    }

    open() {
      this.readyState = 1;
      this.subscribe(this.first);
      this.onopen?.();
    }

    /** @param {any} message */
    give(message) {
      this.line.push(JSON.stringify(message));
    }

    /** @param {string} sub */
    subscribe(sub) {
      const [channel, at] = sub.split('@');
      const place = server.channels.get(channel);
      if (!this.admitted) return this.give({type: 'error', code: 'token', sub: channel});
      if (!place) return this.give({type: 'error', code: 'sub', sub: channel});
      this.subs.add(channel);
      const missed = place.events.filter(one => one.seq > Number(at));
      const whole = place.seq - Number(at) === missed.length;
      if (whole) for (const one of missed) this.give(one);
      this.give({type: 'recovered', sub: channel, recovered: whole, seq: place.seq});
    }

    /** @param {string} text */
    send(text) {
      const {type, sub, token} = JSON.parse(text);
      if (token) this.tickets.push(token);
      if (type === 'sub') this.subscribe(sub);
      else if (type === 'unsub') this.subs.delete(sub.split('@')[0]);
    }

    /** Let so much through. @param {number} many */
    flow(many = 1e9) {
      if (this.readyState === 0) this.open();
      while (many-- > 0 && this.line.length && this.readyState === 1) this.onmessage?.({data: this.line.shift()});
    }

    close() {
      this.readyState = 3;
      server.sockets.delete(this);
    }

    /** Tickets have run out: without a newer one it listens nowhere. */
    expire() {
      if (this.readyState !== 1 || this.admitted) return;
      for (const sub of this.subs) this.give({type: 'error', code: 'token', sub});
      this.subs.clear();
    }

    /** The line is cut: what is on its way is lost. */
    cut() {
      const told = this.onclose;
      this.close();
      told?.();
    }
  };
}

/** @type {any} */
const page = globalThis;
page.location ??= {origin: 'http://127.0.0.1', search: ''};
page.addEventListener ??= () => {};
page.removeEventListener ??= () => {};
/** What the API gives now. */
let ticket = () => 'staff.0';
page.fetch = async () =>
  new Response(JSON.stringify({position: '1/1@0', token: ticket()}), {headers: {'content-type': 'application/json'}});
const {Console} = await import('../../../cackled/web/panel/console/store.js');
const {Live} = await import('../../../cackled/web/panel/console/live.js');

/** A console at a server, with the rows of its list in the window. @param {Server} server @param {number} [rows] */
async function consoleAt(server, rows = 30) {
  page.WebSocket = socketsOf(server);
  ticket = () => server.ticket;
  /** @type {(() => any)[]} */
  const later = [];
  const heard = {staff: 0, chat: 0, asked: 0};
  const calls = /** @type {any} */ ({
    list: async (/** @type {any} */ query) => {
      heard.asked++;
      const answer = server.list(query);
      // An answer may come late.
      if (calls.hold) await calls.hold();
      return answer;
    },
    chat: async (/** @type {string} */ id) => {
      const chat = server.chats.get(id);
      return {
        chat: server.row(chat, true),
        seq: server.channels.get(`1/${chat.channel}`)?.seq,
        channel: `1/${chat.channel}`,
      };
    },
    messages: async () => ({messages: [], seq: 0, more: false}),
    read: async () => {},
  });
  const store = new Console('me', calls, {keep: {get: () => null, set: () => {}}, later: act => void later.push(act)});
  /** @type {any} */
  const live = new Live('1', {
    staff: event => {
      heard.staff++;
      store.heard(event);
    },
    chat: (channel, event) => {
      heard.chat++;
      store.heardIn(channel, event);
    },
    missed: (channel, seq) => (channel ? store.missedIn(channel, seq) : store.missed()),
    state: up => up && store.healed(),
  });
  clearInterval(live.tick);
  // Reconnects at once, and only when the test says so.
  live.again = () => {
    live.drop();
    live.broken = true;
  };
  const follow = () => {
    store.window.value = store.rows.value.slice(0, rows).map(one => one.id);
    live.follow(store.listening('1'));
  };
  const mend = () => {
    if (!live.broken) return;
    live.broken = false;
    live.refusals = 0;
    return live.open();
  };
  /** All that is under way arrives. */
  const settle = async () => {
    for (let n = 0; n < 30; n++) {
      await mend();
      for (const one of [...server.sockets]) one.flow();
      await turn();
      for (const act of later.splice(0)) await act();
      await turn();
      follow();
    }
  };
  await turn();
  await new Promise(done => setTimeout(done));
  for (const one of [...server.sockets]) one.flow();
  await turn();
  return {store, live, heard, calls, later, follow, settle, mend};
}

const STATE = ['id', 'state', 'labels', 'assignee', 'waiting_since'];
const WORDS = ['seq', 'unread', 'last', 'read'];
/** @param {any} row @param {boolean} [shown] what was said in it is told only then */
const seen = (row, shown = true) =>
  Object.fromEntries([...STATE, ...(shown ? WORDS : [])].map(name => [name, row[name] ?? null]));

test('whatever is cut, late or lost: rows, counts and my chats are those of the server in the end', async t => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = randomOf(seed * 7919);
    const pick = (/** @type {any[]} */ all) => all[Math.floor(random() * all.length)];
    const server = new Server(pick([4, 20, 100]));
    for (let n = 0; n < 6; n++) server.begin(String(n));
    const {store, live, calls, later, follow, settle, mend} = await consoleAt(server, pick([2, 30]));
    const list = pick(['waiting', 'mine', 'others', 'all', 'closed']);
    await store.show(list, {});
    follow();
    let held = /** @type {(() => void)[]} */ ([]);
    calls.hold = () => random() < 0.5 && new Promise(done => void held.push(() => done(undefined)));
    for (let step = 0; step < 120; step++) {
      const id = pick([...server.chats.keys()]);
      const chat = server.chats.get(id);
      const what = Math.floor(random() * 21);
      if (what === 0) server.begin(String(server.chats.size));
      else if (what < 5) server.say(id, pick(['visitor', 'visitor', 'operator']), `words ${step}`);
      else if (what === 5) server.become(id, {state: 'open', assignee: {id: pick(['me', 'other']), name: 'A'}});
      else if (what === 6) server.become(id, {state: pick(['closed', 'waiting']), assignee: null});
      else if (what === 7) server.become(id, {state: chat.state, labels: [`l${step}`]});
      else if (what === 8) server.readAll(id);
      else if (what === 9) server.unsay(id);
      else if (what === 10) for (const one of [...server.sockets]) pick([() => one.cut(), () => one.flow(2)])();
      else if (what === 11) await mend();
      else if (what === 16) server.ticket = `staff.${step}`;
      else if (what === 17) live.renew(server.ticket);
      else if (what === 19) server.busy = !server.busy;
      else if (what === 20) server.gather(pick([1, 3, 30]));
      else if (what === 18) for (const one of [...server.sockets]) one.expire();
      else if (what === 12) follow();
      else if (what === 13) {
        for (const done of held) done();
        held = [];
        for (const act of later.splice(0)) act();
      } else for (const one of [...server.sockets]) one.flow(1 + Math.floor(random() * 5));
      if (random() < 0.5) await turn();
    }
    calls.hold = null;
    server.gather(3);
    for (const done of held) done();
    await settle();
    // What moved while nobody told is looked at every ten seconds.
    store.settle();
    await settle();
    const truth = server.list({state: list === 'others' ? 'open' : list});
    const rows = truth.chats.filter(one => list !== 'others' || one.assignee?.id !== 'me');
    const where = `seed ${seed}, list ${list}`;
    const byId = (/** @type {any} */ a, /** @type {any} */ b) => (a.id < b.id ? -1 : 1);
    const heard = (/** @type {any} */ one) => store.window.value.includes(one.id) || store.own.value.has(one.id);
    assert.deepEqual(
      store.rows.value.map(one => seen(one, heard(one))).sort(byId),
      rows.map(one => seen(one, heard(one))).sort(byId),
      where,
    );
    assert.deepEqual(store.counts.value, truth.counts, where);
    const mine = server.list({state: 'mine'}).chats;
    assert.deepEqual(
      [...store.own.value.values()].map(one => seen(one)).sort(byId),
      mine.map(one => seen(one)).sort(byId),
      where,
    );
    live.close();
  }
  t.diagnostic('30 runs');
});

test('what is said in chats that are neither shown nor mine costs a console nothing', async () => {
  const server = new Server(100);
  for (let n = 0; n < 200; n++) server.begin(String(n));
  for (let n = 0; n < 200; n++)
    server.become(String(n), {state: 'open', assignee: {id: n < 3 ? 'me' : 'other', name: 'A'}});
  const {store, live, heard, settle} = await consoleAt(server);
  await store.show('waiting', {});
  await settle();
  const before = {...heard};
  for (let n = 3; n < 200; n++) server.say(String(n), 'visitor', 'to a colleague');
  await settle();
  assert.deepEqual(heard, before);
  /** @type {string[]} */
  const called = [];
  store.alarm = (what, chat, text) => void called.push(`${what} ${chat.id} ${text}`);
  server.say('1', 'visitor', 'to me');
  await settle();
  assert.deepEqual([heard.chat - before.chat, heard.staff - before.staff, heard.asked - before.asked], [1, 0, 0]);
  assert.deepEqual(called, ['message 1 to me'], 'a chat of mine calls though another list is shown');
  assert.equal(store.own.value.get('1')?.unread, 2);
  live.close();
});

test('what is offered to me calls at once, and what I take myself does not', async () => {
  const server = new Server(100);
  server.begin('1');
  server.begin('2');
  const {store, live, settle} = await consoleAt(server);
  await store.show('mine', {});
  await settle();
  /** @type {string[]} */
  const called = [];
  store.alarm = (what, chat) => void called.push(`${what} ${chat.id}`);
  server.become('1', {state: 'open', assignee: {id: 'me', name: 'A'}, offered: true});
  server.become('2', {state: 'open', assignee: {id: 'me', name: 'A'}, offered: false});
  await settle();
  assert.deepEqual(called, ['waiting 1']);
  assert.equal(store.counts.value.mine, 2);
  live.close();
});

test('who came or was offered to me among more than can be told calls once', async () => {
  const server = new Server(100);
  for (let n = 0; n < 6; n++) server.begin(String(n));
  const {store, live, settle} = await consoleAt(server);
  await store.show('waiting', {});
  await settle();
  /** @type {string[]} */
  const called = [];
  store.alarm = (what, chat) => void called.push(`${what} ${chat.id}`);
  server.busy = true;
  server.become('3', {state: 'open', assignee: {id: 'other', name: 'B'}, offered: true});
  server.become('4', {state: 'open', assignee: {id: 'me', name: 'A'}, offered: true});
  server.become('5', {state: 'open', assignee: {id: 'me', name: 'A'}, offered: false});
  server.begin('6');
  server.gather(1);
  await settle();
  assert.deepEqual(called.sort(), ['waiting 4', 'waiting 6']);
  server.become('0', {state: 'closed'});
  server.become('1', {state: 'closed'});
  server.gather(1);
  await settle();
  assert.equal(called.length, 2, 'nobody calls twice');
  live.close();
});
