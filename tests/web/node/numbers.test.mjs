// Numbers and names without nodes: how many comments there are, which stand above which, keys of pages, the server's clock.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {test} from 'node:test';
import {Cackle, answer, local, tab} from './page.mjs';

const {countAll, isAbove, voteRank} = await import('../../../cackled/products/comments/web/rank.js');
const {laterId, Tally} = await import('../../../cackled/products/comments/web/reckon.js');
const {pageKey} = await import('../../../cackled/web/lib/key.js');
const {learnClock, serverNow} = await import('../../../cackled/web/lib/time.js');
const {keepServer, save, tabStorage} = await import('../../../cackled/web/lib/storage.js');
const {asObject, toJson, uid, wellFormed} = await import('../../../cackled/web/lib/values.js');

/** Small and seeded, so that a failure can be played again. @param {number} seed */
function random(seed) {
  return () => (seed = (seed * 48271) % 2147483647) / 2147483647;
}

test('the tally is right, in whatever order events and answers to own writes come, however often', () => {
  for (let seed = 1; seed <= 500; seed++) {
    const next = random(seed * 7919),
      tally = new Tally(),
      pending = [];
    let n = Math.floor(next() * 20),
      seq = 5;
    tally.begin(n, seq);
    for (let step = 0; step < 30; step++) {
      const by = next() < 0.6 || !n ? 1 : -1,
        told = n + by,
        at = (seq += 1);
      n = told;
      pending.push(() => tally.set(told, at));
      // The visitor's own: answered besides, before or after its event.
      if (next() < 0.4) pending.push(() => tally.own(by, at));
      while (pending.length && next() < 0.5) {
        const one = pending[Math.floor(next() * pending.length)];
        one();
        if (next() < 0.8) pending.splice(pending.indexOf(one), 1);
      }
    }
    pending.forEach(one => one());
    assert.equal(tally.value(), n, `seed ${seed}`);
  }
});

test('an own write counts until its event has come, once, and never when the event came first', () => {
  const tally = new Tally();
  tally.begin(3, 10);
  tally.own(1, 12);
  tally.own(1, 12);
  assert.equal(tally.value(), 4);
  tally.set(4, 11);
  assert.equal(tally.value(), 5);
  tally.set(5, 12);
  tally.own(1, 12);
  assert.equal(tally.value(), 5);
  // Loaded anew, also where the numbers went back.
  tally.begin(1, 2);
  assert.equal(tally.value(), 1);
});

test('ids are compared as numbers of 63 bits, which a double can’t hold', () => {
  assert.ok(laterId('9007199254740993', '9007199254740992') > 0);
  assert.ok(laterId('10', '9') > 0 && laterId('9', '10') < 0 && laterId('7', '7') === 0);
});

test('the best order is the database’s: a float of 32 bits, then the newer one', () => {
  const rank = (up, down) => voteRank({up, down});
  assert.equal(rank(0, 0), Math.fround(rank(0, 0)));
  assert.ok(rank(10, 0) > rank(3, 0) && rank(3, 0) > rank(0, 0) && rank(0, 0) > rank(0, 3));
  assert.ok(isAbove({up: 1, down: 0, id: '5'}, {up: 0, down: 0, id: '9'}));
  assert.ok(isAbove({up: 0, down: 0, id: '9'}, {up: 0, down: 0, id: '5'}));
  assert.ok(!isAbove({up: 0, down: 0, id: '5'}, {up: 0, down: 0, id: '9'}));
  assert.equal(countAll([{replies: [{}, {replies: [{}]}]}, {}]), 5);
});

test('keys of pages are those that the server makes', () => {
  const table = JSON.parse(readFileSync(new URL('../../support/page_keys.json', import.meta.url), 'utf8'));
  for (const [rule, cases] of Object.entries({path: table.path, host: table.host})) {
    assert.ok(cases.length > 5, rule);
    // What is no address has no key, and no page.
    const pages = cases.filter(([url]) => URL.canParse(url));
    assert.ok(pages.length > cases.length / 2);
    for (const [url, key] of pages) assert.equal(pageKey(new URL(url), rule === 'host'), key, url);
  }
});

test('the server’s time is learnt: for sure from answers to writes, else only forwards', () => {
  const at = ms => answer(200, {}, {Date: new Date(Date.now() + ms).toUTCString()});
  const ahead = () => Math.round((serverNow() - Date.now()) / 1000);
  learnClock(at(-3_600_000));
  assert.ok(Math.abs(ahead() + 3600) <= 1);
  learnClock(at(-7_200_000));
  assert.ok(Math.abs(ahead() + 3600) <= 1, 'it was kept by a cache for an hour');
  learnClock(at(0));
  assert.ok(Math.abs(ahead()) <= 1);
  learnClock(at(-60_000), true);
  assert.ok(Math.abs(ahead() + 60) <= 1);
  learnClock(answer(200, {}, {Date: 'nonsense'}), true);
  assert.ok(Math.abs(ahead() + 60) <= 1);
});

test('what is stored comes back as it was; a full or forbidden storage is no error', () => {
  save('draft:1', 'half a \ud83d pair');
  assert.equal(Cackle.load('draft:1'), 'half a \ufffd pair');
  save('draft:1', '');
  assert.equal(local.kept.size, [...local.kept.keys()].filter(key => key !== 'cackle:draft:1').length);
  tabStorage.set('out:1', [{key: 'k'}]);
  assert.deepEqual(tabStorage.get('out:1'), [{key: 'k'}]);
  for (const word of /** @type {const} */ (['full', 'forbidden'])) {
    local[word] = tab[word] = true;
    save('draft:2', 'x');
    tabStorage.set('out:2', 1);
    keepServer();
    assert.equal(Cackle.load('draft:2'), null);
    assert.equal(tabStorage.get('out:2'), null);
    local[word] = tab[word] = false;
  }
});

test('JSON is what the language says, whatever the page has done', () => {
  Object.prototype.toJSON = () => 'pwned';
  Array.prototype.toJSON = () => 'pwned';
  try {
    assert.equal(
      toJson({a: [1, 'b\ud800', null, undefined, {c: true}], d: undefined, 'e"': 0}),
      '{"a":[1,"b\ufffd",null,null,{"c":true}],"e\\"":0}',
    );
  } finally {
    delete Object.prototype.toJSON;
    delete Array.prototype.toJSON;
  }
  assert.equal(wellFormed('a\udc00b😀'), 'a\ufffdb😀');
  assert.equal(wellFormed(5), 5);
  for (const given of [null, undefined, 5, 'x', [], () => 1]) assert.deepEqual(asObject(given), {});
  assert.equal(new Set(Array.from({length: 50}, uid)).size, 50);
});
