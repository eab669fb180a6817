// The details of the staff's log: words for what is known, nothing for what says nothing, the name for what is new.
import assert from 'node:assert/strict';
import {test} from 'node:test';

globalThis.document = /** @type {any} */ ({getElementById: () => null, documentElement: {}});
if (!('navigator' in globalThis)) Object.assign(globalThis, {navigator: {languages: ['en']}});
const {reason} = await import('../../../cackled/web/panel/words.js');
const {told} = await import('../../../cackled/web/panel/pages/audit_words.js');

test('details stand in words', () => {
  assert.equal(told({kind: 'visitor', shadow: true}), 'Kind: Visitor · Shadow ban');
  assert.equal(told({kind: 'visitor', shadow: false}), 'Kind: Visitor');
  assert.equal(told({action: 12, items: 1}), '');
  assert.equal(told({action: 12, items: 2310}), 'Items: 2,310');
  assert.equal(told({closed: false, read_only: true}), 'opened the conversation · made it read-only');
  assert.equal(told({product: 'reviews', format: 'jsonl'}), 'Product: Reviews · Format: jsonl');
  assert.equal(told({kind: 'sign-in', language: 'de'}), 'Kind: To visitors: signing in by mail · Language: Deutsch');
  assert.equal(told({mode: 'anonymise'}), 'stays without name and address');
  assert.equal(
    told({types: [], note: '', enabled: false, url: 'https://a.example/'}),
    'off · Address: https://a.example/',
  );
  assert.equal(told({version: 4}), '');
});

test('what is not known keeps its name and value', () => {
  assert.equal(told({colour: {a: 1}, size: 3}), 'colour: {"a":1} · size: 3');
  assert.equal(told({kind: '__proto__', language: 'constructor'}), 'Kind: __proto__ · Language: constructor');
});

test('refusals have words of ours, else the words of the server', () => {
  const said = (/** @type {string} */ slug) => reason(Object.assign(new Error('by the server'), {status: 409, slug}));
  assert.match(said('changed'), /^Somebody else changed this meanwhile/);
  assert.equal(said('changed'), said('outdated'));
  assert.equal(said('unheard-of'), 'by the server');
});
