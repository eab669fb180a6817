// The queue of the panel, without a page: claims that could not be made are made later, and what was missed is looked up.
import assert from 'node:assert/strict';
import {mock, test} from 'node:test';
import {Claims} from '../../../cackled/web/panel/queue/claims.js';
import {listen} from '../../../cackled/web/panel/queue/live.js';
import {Queue} from '../../../cackled/web/panel/queue/store.js';

const turn = async () => {
  for (let n = 0; n < 20; n++) await Promise.resolve();
};

/** @type {{method: string, path: string}[]} */
let asked = [];

/** What the server answers next; the last answer stays. @param {[number, any][]} answers */
function serve(answers) {
  asked = [];
  globalThis.fetch = /** @type {any} */ (
    async (/** @type {string} */ path, /** @type {any} */ {method}) => {
      asked.push({method, path});
      const [status, body] = answers.length > 1 ? /** @type {any} */ (answers.shift()) : answers[0];
      if (!status) throw new TypeError('Failed to fetch');
      return {ok: status < 400, status, headers: new Headers(), text: async () => JSON.stringify(body)};
    }
  );
}

globalThis.addEventListener ??= () => {};
globalThis.removeEventListener ??= () => {};

test('a claim is made again where the server was away or had no time, and not where it said no', async () => {
  mock.timers.enable({apis: ['setTimeout', 'setInterval']});
  try {
    for (const [status, again] of /** @type {[number, boolean][]} */ ([
      [0, true],
      [429, true],
      [503, true],
      [403, false],
      [404, false],
      [409, false],
    ])) {
      /** @type {any[]} */
      const refused = [];
      serve([
        [status, {type: '/problems/claimed', title: 'no'}],
        [200, {claim: null}],
      ]);
      const claims = new Claims('1', error => refused.push(error));
      await claims.take('comment:7');
      assert.equal(claims.item, again ? 'comment:7' : '', String(status));
      mock.timers.tick(5000);
      await turn();
      assert.equal(asked.length, again ? 2 : 1, String(status));
      assert.equal(refused.length, again ? 0 : 1, String(status));
      claims.release();
      await turn();
      const sofar = asked.length;
      mock.timers.tick(600_000);
      await turn();
      assert.equal(asked.length, sofar, 'nothing is tried after it was let go of');
    }
  } finally {
    mock.timers.reset();
  }
});

test('after a break the same channel is heard from where it was left; another one has missed something', async () => {
  mock.timers.enable({apis: ['setTimeout']});
  /** @type {any[]} */
  const opened = [];
  globalThis.EventSource = /** @type {any} */ (
    class {
      static CLOSED = 2;
      constructor(/** @type {string} */ url) {
        this.url = url;
        this.readyState = 1;
        opened.push(this);
      }
      close() {}
    }
  );
  try {
    serve([
      [200, {position: '1-5@10', token: 'staff.1'}],
      [200, {position: '1-5@14', token: 'staff.2'}],
      [200, {position: '1-6@2', token: 'staff.3'}],
      [200, {position: '1-6@3', token: 'staff.4'}],
    ]);
    let missed = 0;
    const stop = listen('1', {event: () => {}, missed: () => missed++, state: () => {}});
    await turn();
    opened[0].onmessage({data: JSON.stringify({type: 'item.claimed', sub: '1-5', seq: 11, data: {}})});
    opened[0].readyState = 2;
    opened[0].onerror();
    mock.timers.tick(60_000);
    await turn();
    assert.ok(opened[1].url.includes(encodeURIComponent('1-5@11')), opened[1].url);
    assert.ok(opened[1].url.endsWith('token=staff.2'), opened[1].url);
    assert.equal(missed, 0);
    opened[1].onmessage({data: JSON.stringify({type: 'staff.moved', sub: '1-5', seq: 15, data: {}})});
    mock.timers.tick(60_000);
    await turn();
    assert.ok(opened[2].url.includes(encodeURIComponent('1-6@2')), opened[2].url);
    assert.equal(missed, 1);
    // A ticket holds for some minutes: before that another one is asked for, from where it stands.
    opened[2].onmessage({data: JSON.stringify({type: 'item.claimed', sub: '1-6', seq: 3, data: {}})});
    mock.timers.tick(150_000);
    await turn();
    assert.ok(opened[3].url.includes(encodeURIComponent('1-6@3')) && opened[3].url.endsWith('staff.4'), opened[3].url);
    assert.equal(missed, 1);
    stop();
  } finally {
    mock.timers.reset();
  }
});

test('what was missed of listed items is looked up; what was heard meanwhile is newer', async () => {
  const item = (/** @type {string} */ id, more = {}) =>
    /** @type {any} */ ({id, version: 1, state: 'pending', ...more});
  const claim = {by: 'account:7', name: 'Ben', until: '2100-01-01T00:00:00.000Z'};
  /** @type {any[]} */
  const pages = [
    {items: [item('comment:1', {claim}), item('comment:2'), item('comment:3'), item('comment:4')], cursor: null},
    {
      items: [item('comment:1'), item('comment:2', {claim}), item('comment:3', {claim}), item('comment:9')],
      cursor: null,
    },
  ];
  /** @type {any} */
  const calls = {
    page: async () => {
      const page = pages.shift();
      // Told while the second answer was on its way.
      if (!pages.length) queue.heard({type: 'item.claimed', data: {item: 'comment:3', by: '', who: ''}});
      return page;
    },
  };
  const queue = new Queue('pending', calls);
  await queue.first();
  await queue.refresh();
  assert.deepEqual(
    queue.items.value.map(one => [one.id, one.claim?.name || '']),
    [
      ['comment:1', ''],
      ['comment:2', 'Ben'],
      ['comment:3', ''],
      ['comment:4', ''],
    ],
  );
});

test('words that a colleague changed, or put back, are looked up', async () => {
  const item = (/** @type {number} */ version, /** @type {string} */ text) =>
    /** @type {any} */ ({id: 'comment:1', version, state: 'approved', text});
  const pages = [item(1, 'old'), item(2, 'new'), item(3, 'old')].map(one => ({items: [one], cursor: null}));
  const queue = new Queue('approved', /** @type {any} */ ({page: async () => pages.shift()}));
  await queue.first();
  for (const [version, action, text] of /** @type {[number, string, string][]} */ ([
    [2, 'edit', 'new'],
    [3, 'undo', 'old'],
  ])) {
    queue.heard({type: 'item.decided', data: {item: 'comment:1', action, version, state: 'approved', decision: '1'}});
    // Who edits says at once that she is at it still.
    queue.heard({type: 'item.claimed', data: {item: 'comment:1', by: 'Ann', who: 'account:1'}});
    await turn();
    assert.equal(queue.items.value[0].text, text);
    assert.equal(queue.items.value[0].claim?.name, 'Ann');
  }
});

test('what is let go of is let go of after it was taken', async () => {
  /** @type {string[]} */
  const made = [];
  /** @type {((answer: any) => void)[]} */
  const waiting = [];
  globalThis.fetch = /** @type {any} */ (
    (/** @type {string} */ path, /** @type {any} */ {method}) => {
      made.push(`${method} ${path.split('/').at(-2)}`);
      return new Promise(done => waiting.push(done));
    }
  );
  const claims = new Claims('1', () => {});
  const answer = async () => {
    waiting.shift()?.({ok: true, status: 200, headers: new Headers(), text: async () => '{"claim": null}'});
    await turn();
  };
  claims.take('comment:1');
  await turn();
  claims.take('comment:2');
  claims.release();
  await turn();
  assert.deepEqual(made, ['PUT comment:1']);
  for (let n = 0; n < 4; n++) await answer();
  // The second was let go of before it was asked for.
  assert.deepEqual(made, ['PUT comment:1', 'DELETE comment:1', 'DELETE comment:2']);
});

test('news of many items at once are looked up together, one look at a time', async () => {
  const items = Array.from(
    {length: 50},
    (_, n) => /** @type {any} */ ({id: `comment:${n}`, version: 1, state: 'approved'}),
  );
  let version = 1;
  let looks = 0;
  const page = async () => {
    looks++;
    return {items: items.map(one => ({...one, version, text: `text ${version}`})), cursor: null};
  };
  const queue = new Queue('all', /** @type {any} */ ({page}));
  await queue.first();
  looks = 0;
  version = 2;
  for (const {id} of items)
    queue.heard({type: 'item.decided', data: {item: id, action: 'undo', version: 2, state: 'approved', decision: '1'}});
  await turn();
  assert.equal(looks, 2);
  assert.deepEqual(new Set(queue.items.value.map(one => one.text)), new Set(['text 2']));
});

test('what a colleague decided first leaves the list where it belongs there no more, and says who', async () => {
  const item = (/** @type {string} */ id) => /** @type {any} */ ({id, version: 1, state: 'pending'});
  const late = (/** @type {string} */ id, /** @type {string} */ state, more = {}) => ({
    ...{item: id, reason: 'conflict', version: 2, state, by: 'account:7', name: 'Ben', deed: 'x', at: ''},
    ...more,
  });
  const failed = [late('comment:1', 'approved'), late('comment:2', 'pending'), late('comment:3', '', {reason: 'gone'})];
  for (const [listed, left] of /** @type {[string, string[]][]} */ ([
    ['pending', ['comment:2', 'comment:4']],
    ['all', ['comment:1', 'comment:2', 'comment:4']],
  ])) {
    /** @type {any} */
    const calls = {
      page: async () => ({items: ['1', '2', '3', '4'].map(one => item(`comment:${one}`)), cursor: null}),
      act: async () => {
        throw Object.assign(new Error('changed'), {status: 409, problem: {failed}});
      },
    };
    const queue = new Queue(listed, calls);
    await queue.first();
    const made = await queue.decide('spam', ['comment:1', 'comment:2', 'comment:3']);
    assert.deepEqual(
      made.failed.map(one => one.name),
      ['Ben', 'Ben', 'Ben'],
    );
    assert.deepEqual(
      queue.items.value.map(one => one.id),
      left,
    );
    // It can be decided on as it is now.
    assert.equal(queue.get('comment:2')?.version, 2);
    calls.act = async () => {
      throw Object.assign(new Error('no'), {status: 503, problem: {}});
    };
    await assert.rejects(queue.decide('spam', ['comment:4']));
    assert.ok(queue.get('comment:4'));
  }
});
