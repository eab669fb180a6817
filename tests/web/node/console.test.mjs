// The operators' console without a page: messages once and in order, drafts, collisions, lists, canned replies.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {read} from '../../../cackled/web/panel/console/agent.js';
import {fill, fitting, slash} from '../../../cackled/web/panel/console/canned.js';
import {Console, MOST_OPEN} from '../../../cackled/web/panel/console/store.js';
import {MOST_DRAWN, Talk, TYPING} from '../../../cackled/web/panel/console/talk.js';

const turn = async () => {
  for (let n = 0; n < 30; n++) await Promise.resolve();
};
/** A keep in memory. @param {Map<string, string>} [kept] */
const memory = (kept = new Map()) => ({
  get: (/** @type {string} */ key) => kept.get(key) ?? null,
  set: (/** @type {string} */ key, /** @type {string} */ value) => void kept.set(key, value),
});
/** @param {number} seq @param {Partial<any>} [more] @returns {any} */
const message = (seq, more = {}) => ({
  id: `m${seq}`,
  seq,
  from: 'visitor',
  author: {id: 'v', name: 'Ada'},
  text: `text ${seq}`,
  kind: 'text',
  created: new Date(1_700_000_000_000 + seq * 1000).toISOString(),
  ...more,
});
const refused = (/** @type {number} */ status, /** @type {string} */ slug = '', /** @type {any} */ problem = {}) =>
  Object.assign(new Error(slug), {status, slug, problem});

/** @param {Partial<any>} [calls] @param {Partial<any>} [parts] */
function talkWith(calls = {}, parts = {}) {
  let key = 0;
  /** @type {any[]} */
  const sent = [];
  const talk = new Talk(
    'c1',
    '1',
    /** @type {any} */ ({
      chat: async () => ({
        chat: {id: 'c1', state: 'open', created: message(0).created, read: {visitor: 0, operator: 0}},
        seq: 0,
        channel: '1/9',
      }),
      messages: async () => ({messages: [], seq: 0, more: false}),
      send: async (/** @type {string} */ id, /** @type {any} */ body, /** @type {string} */ used) => {
        sent.push({...body, key: used});
        return {
          message: message(10 + sent.length, {
            from: 'operator',
            author: {id: '1', name: 'Ann'},
            text: body.text,
            key: used,
          }),
        };
      },
      read: async () => {},
      ...calls,
    }),
    {keep: memory(), key: () => `k${++key}`, ...parts},
  );
  return {talk, sent};
}

test('messages are there once and in order, whatever order and however often they are told', async () => {
  const {talk} = talkWith({messages: async () => ({messages: [message(1), message(2)], seq: 2, more: false})});
  await talk.load();
  for (const seq of [4, 3, 4, 2, 5, 1]) talk.heard({type: 'message.created', seq, data: {message: message(seq)}});
  assert.deepEqual(
    talk.messages.value.map(one => one.seq),
    [1, 2, 3, 4, 5],
  );
  talk.heard({type: 'message.updated', seq: 6, data: {message: message(3, {text: 'new', edited: 'x'})}});
  // An older answer says nothing new about it.
  talk.put([message(3, {text: 'old'})], 4);
  assert.equal(talk.messages.value[2].text, 'new');
});

test('what was missed is fetched by number until there is no more', async () => {
  /** @type {any[]} */
  const asked = [];
  const all = Array.from({length: 120}, (_, n) => message(n + 1));
  const {talk} = talkWith({
    messages: async (/** @type {string} */ id, /** @type {any} */ query) => {
      asked.push(query);
      const rest = all.filter(one => one.seq > (query.since || 0));
      return {messages: rest.slice(0, 50), seq: 120, more: rest.length > 50};
    },
  });
  await talk.catchUp();
  assert.equal(talk.messages.value.length, 120);
  assert.deepEqual(
    asked.map(one => one.since),
    [0, 50, 100],
  );
});

test('replies go one after the other; one whose answer was lost is sent again with its key and stands there once', async () => {
  let fail = true;
  /** @type {any[]} */
  const got = [];
  const {talk} = talkWith({
    send: async (/** @type {string} */ id, /** @type {any} */ body, /** @type {string} */ key) => {
      got.push(key);
      if (fail) throw refused(0);
      const seq = key === 'k1' ? 3 : 4;
      return {message: message(seq, {from: 'operator', text: body.text, key})};
    },
  });
  await talk.send('first');
  talk.send('second');
  await turn();
  assert.deepEqual(got, ['k1'], 'what comes later never overtakes');
  assert.deepEqual(
    talk.pending.value.map(one => one.state),
    ['failed', 'waiting'],
  );
  // It had arrived: the channel tells of it.
  talk.heard({type: 'message.created', seq: 3, data: {message: message(3, {from: 'operator', key: 'k1'})}});
  assert.deepEqual(
    talk.pending.value.map(one => one.key),
    ['k2'],
  );
  fail = false;
  await talk.again();
  assert.deepEqual(
    talk.messages.value.map(one => one.seq),
    [3, 4],
  );
  assert.equal(talk.pending.value.length, 0);
});

test('a reply carries what was seen; newer messages hold it, and it can be sent anyway or taken back', async () => {
  /** @type {any[]} */
  const got = [];
  const {talk} = talkWith({
    messages: async (/** @type {string} */ id, /** @type {any} */ query) => ({
      messages: query.since ? [message(2, {text: 'wait'})] : [message(1)],
      seq: 2,
      more: false,
    }),
    send: async (/** @type {string} */ id, /** @type {any} */ body, /** @type {string} */ key) => {
      got.push(body);
      if (!body.anyway) throw refused(409, 'newer-messages');
      return {message: message(3, {from: 'operator', text: body.text, key})};
    },
  });
  await talk.load();
  await talk.send('an answer');
  assert.equal(got[0].seen, 1);
  assert.equal(talk.collision.value?.messages[0].text, 'wait');
  assert.equal(talk.pending.value.length, 0);
  assert.equal(talk.messages.value.length, 2, 'what came is shown');
  await talk.settle(false);
  assert.equal(talk.drafts.reply.value, 'an answer', 'nothing typed is lost');
  await talk.send('an answer');
  await talk.settle(true);
  assert.deepEqual(
    talk.messages.value.map(one => one.seq),
    [1, 2, 3],
  );
});

test('a refusal for good stays to be seen and goes back to the draft; later replies pass it', async () => {
  let first = true;
  const {talk} = talkWith({
    send: async (/** @type {string} */ id, /** @type {any} */ body, /** @type {string} */ key) => {
      if (first) {
        first = false;
        throw refused(422, 'unprocessable');
      }
      return {message: message(7, {from: 'operator', text: body.text, key})};
    },
  });
  await talk.send('bad');
  await talk.send('good');
  assert.deepEqual(
    talk.pending.value.map(one => one.state),
    ['refused'],
  );
  talk.back('k1');
  assert.equal(talk.drafts.reply.value, 'bad');
});

test('typing runs out, ends with the message, and is never my own', () => {
  let now = 1000;
  const {talk} = talkWith({}, {now: () => now});
  talk.heard({type: 'typing', data: {by: 'operator', id: '1', name: 'Ann'}});
  assert.equal(talk.typists.value.length, 0);
  talk.heard({type: 'typing', data: {by: 'visitor', name: 'Ada'}});
  talk.heard({type: 'typing', data: {by: 'operator', id: '2', name: 'Ben'}});
  assert.equal(talk.typists.value.length, 2);
  talk.heard({type: 'message.created', seq: 1, data: {message: message(1)}});
  assert.deepEqual(
    talk.typists.value.map(one => one.name),
    ['Ben'],
  );
  now += TYPING;
  talk.expire();
  assert.equal(talk.typists.value.length, 0);
});

test('the read pointer only moves on, and one that could not be told is told again', async () => {
  /** @type {number[]} */
  const told = [];
  let fail = true;
  const {talk} = talkWith({
    messages: async () => ({messages: [message(1), message(2)], seq: 2, more: false}),
    read: async (/** @type {string} */ id, /** @type {number} */ seq) => {
      told.push(seq);
      if (fail) throw refused(503);
    },
  });
  await talk.load();
  assert.equal(talk.unread, 2);
  await talk.look();
  assert.equal(talk.unread, 2);
  fail = false;
  await talk.look();
  await talk.look();
  assert.deepEqual(told, [2, 2]);
  assert.equal(talk.unread, 0);
});

test('drafts of a reply and of a note are kept by chat, also where storage gives nothing back', () => {
  const kept = new Map();
  const {talk} = talkWith({}, {keep: memory(kept), prefix: 'x:'});
  talk.write('a reply');
  talk.mode.value = 'note';
  talk.write('a note');
  const again = talkWith({}, {keep: memory(kept), prefix: 'x:'}).talk;
  assert.equal(again.drafts.reply.value, 'a reply');
  assert.equal(again.drafts.note.value, 'a note');
});

test('what failed for a while is sent again by itself, later each time, and what was refused is not', async () => {
  let now = 0;
  let sent = 0;
  const {talk} = talkWith(
    {
      send: async () => {
        sent++;
        throw Object.assign(new Error('x'), {status: sent < 3 ? 0 : 422, slug: 'x', problem: {}});
      },
    },
    {now: () => now},
  );
  await talk.send('hello');
  assert.equal(sent, 1);
  for (const [time, tries] of [
    [1_999, 1],
    [2_000, 2],
    [5_999, 2],
    [6_000, 3],
    [99_000, 3],
  ]) {
    now = time;
    await talk.retry();
    await new Promise(done => setTimeout(done));
    assert.equal(sent, tries, String(time));
  }
  assert.equal(talk.pending.value[0].state, 'refused');
});

test('what is not acknowledged when the work ends is a draft', async () => {
  const kept = new Map();
  const {talk} = talkWith(
    {
      send: async () => {
        throw Object.assign(new Error('x'), {status: 401, slug: 'signed-out', problem: {}});
      },
    },
    {keep: memory(kept), prefix: 'x:'},
  );
  await talk.send('one');
  talk.write('two');
  talk.keepPending();
  assert.equal(kept.get([...kept.keys()].find(key => key.startsWith('x:reply'))), 'one\ntwo');
});

/** @param {any[]} rows @param {Partial<any>} [calls] */
function consoleWith(rows, calls = {}) {
  /** @type {(() => void)[]} */
  const later = [];
  let asked = 0;
  const store = new Console(
    '1',
    /** @type {any} */ ({
      list: async () => {
        asked++;
        return {chats: rows, cursor: null, counts: {waiting: rows.length}};
      },
      chat: async (/** @type {string} */ id) => ({chat: {id, state: 'open', created: message(0).created}, seq: 0}),
      messages: async () => ({messages: [], seq: 0, more: false}),
      ...calls,
    }),
    {keep: memory(), later: act => void later.push(act)},
  );
  return {store, later, asked: () => asked};
}
/** @param {string} id @param {Partial<any>} [more] */
const row = (id, more = {}) => ({
  id,
  state: 'waiting',
  created: message(Number(id)).created,
  waiting_since: message(Number(id)).created,
  ...more,
});

test('who waits longest is first; what a colleague takes leaves the list and comes into mine when it is mine', async () => {
  const {store} = consoleWith([row('2'), row('1'), row('3')]);
  await store.show('waiting', {});
  assert.deepEqual(
    store.rows.value.map(one => one.id),
    ['1', '2', '3'],
  );
  store.heard({type: 'chat.changed', data: row('1', {state: 'open', assignee: {id: '2', name: 'Ben'}})});
  assert.deepEqual(
    store.rows.value.map(one => one.id),
    ['2', '3'],
  );
});

test('a burst of news asks for nothing: rows and counts come with it', async () => {
  const {store, later, asked} = consoleWith([]);
  await store.show('waiting', {});
  const before = asked();
  for (let n = 1; n <= 50; n++)
    store.heard({type: 'chat.queued', data: row(String(n), {counts: {waiting: n, open: 3}})});
  assert.equal(store.rows.value.length, 50);
  assert.deepEqual([store.counts.value.waiting, store.counts.value.open], [50, 3]);
  await turn();
  assert.deepEqual([later.length, asked()], [0, before]);
});

test('an older word about a chat says nothing new, and a new waiting one calls', async () => {
  const {store} = consoleWith([]);
  await store.show('all', {});
  /** @type {string[]} */
  const called = [];
  store.alarm = what => void called.push(what);
  store.heard({type: 'chat.queued', data: row('1', {version: 5})});
  store.heard({type: 'chat.changed', data: row('1', {version: 4, state: 'closed'})});
  assert.equal(store.rows.value[0].state, 'waiting');
  assert.deepEqual(called, ['waiting']);
  // A message left out of hours and a chat with a bot call nobody; once the bot hands it over, it does.
  store.heard({type: 'chat.queued', data: row('2', {version: 1, state: 'offline'})});
  store.heard({type: 'chat.queued', data: row('3', {version: 1, state: 'open'})});
  assert.deepEqual(called, ['waiting']);
  store.heard({type: 'chat.changed', data: row('3', {version: 2})});
  assert.deepEqual(called, ['waiting', 'waiting']);
});

test('so many chats are held open; those with something to lose stay', async () => {
  const {store} = consoleWith([]);
  store.enter('0');
  await turn();
  const first = store.talks.get('0');
  assert.ok(first);
  first.pending.value = [/** @type {any} */ ({key: 'k', text: 'x', files: [], state: 'failed'})];
  for (let n = 1; n <= MOST_OPEN; n++) store.enter(String(n));
  assert.equal(store.open.value.length, MOST_OPEN);
  assert.ok(store.open.value.includes('0'));
  assert.ok(!store.open.value.includes('1'));
});

test('a slash begins a canned reply where a word begins, and nowhere else', () => {
  assert.deepEqual(slash('/hi', 3), {from: 0, word: 'hi'});
  assert.deepEqual(slash('well /h', 7), {from: 5, word: 'h'});
  assert.equal(slash('https://x', 9), null);
  assert.equal(slash('1/2', 3), null);
  assert.equal(slash('/hi there', 9), null);
});

test('canned replies of the visitor\u2019s language and those that are used come first', () => {
  const replies = [
    {id: '1', short: 'hello', text: 'a', uses: 9, language: 'de'},
    {id: '2', short: 'hello2', text: 'b', uses: 1, language: 'en'},
    {id: '3', short: 'x', text: 'says hel', uses: 99},
    {id: '4', short: 'help', text: 'd', uses: 5, department: '7'},
  ];
  assert.deepEqual(
    fitting(replies, 'hel', {language: 'en-GB', department: '8'}).map(one => one.id),
    ['2', '1', '3'],
  );
});

test('variables become what they stand for, once, and nothing else is touched', () => {
  const facts = {visitor: {name: '{operator.name}'}, operator: {name: 'Ann'}};
  assert.equal(fill('Hi {visitor.name}, {operator.name} here', facts), 'Hi {operator.name}, Ann here');
  assert.equal(fill('Hi {visitor.name|there}!', {}), 'Hi there!');
  assert.equal(fill('Hi {visitor.name}!', {}), 'Hi!');
  assert.equal(fill('{a.b} {constructor.name} {visitor.password}', {}), '{a.b} {constructor.name} {visitor.password}');
});

test('of a flood only the latest messages stand in the page while its reader is at the end; older ones come back', async () => {
  const asked = /** @type {any[]} */ ([]);
  const {talk} = talkWith({
    messages: async (/** @type {string} */ id, /** @type {any} */ query) => {
      asked.push(query);
      const before = query.before || 0;
      return {messages: before ? [message(before - 2), message(before - 1)] : [], seq: 0, more: before > 3};
    },
  });
  await talk.load();
  for (let seq = 1; seq <= 400; seq++) talk.heard({type: 'message.created', seq, data: {message: message(seq)}});
  const {length} = talk.messages.value;
  assert.ok(length >= MOST_DRAWN / 2 && length <= MOST_DRAWN, String(length));
  const numbers = talk.messages.value.map(one => one.seq);
  assert.deepEqual(
    numbers,
    numbers.map((_, n) => 401 - length + n),
  );
  assert.equal(talk.earlierLeft.value, true);
  assert.ok(talk.versions.size <= MOST_DRAWN);
  await talk.earlier();
  assert.equal(talk.messages.value[0].seq, 401 - length - 2);
  // Whoever reads above keeps what they read.
  for (let seq = 401; seq <= 600; seq++) talk.heard({type: 'message.created', seq, data: {message: message(seq)}});
  assert.equal(talk.messages.value.length, length + 2 + 200);
});

test('browsers and systems are named by what is special about them', () => {
  const chrome = 'AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0';
  for (const [agent, browser, system] of [
    [`Mozilla/5.0 (Linux; Android 14) ${chrome} Mobile Safari/537.36`, 'Chrome 130', 'Android'],
    [`Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${chrome} Safari/537.36 Edg/130.0.1`, 'Edge 130', 'Windows'],
    [`Mozilla/5.0 (X11; CrOS x86_64 14541) ${chrome} Safari/537.36 OPR/115.0`, 'Opera 115', 'ChromeOS'],
    ['Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0', 'Firefox 132', 'Linux'],
    [
      'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Mobile/15E148 Safari/604.1',
      'Safari 18',
      'iOS',
    ],
    [
      'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/17.6 Safari/605.1.15',
      'Safari 17',
      'macOS',
    ],
    ['curl/8.5', '', ''],
    ['', '', ''],
  ])
    assert.deepEqual(read(agent), {browser, system}, agent);
});
