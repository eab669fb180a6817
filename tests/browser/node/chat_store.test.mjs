// What a visitor's browser knows of a conversation: once each and in order, whatever comes twice, late or from both ways.
import {test} from 'node:test';
import assert from 'node:assert/strict';
import {ChatStore} from '../../../cackled/products/chat/web/store.js';

const made = (seq, from = 'operator', more = {}) => ({
  id: 'm' + seq, seq, from, author: {id: from, name: 'Olga'}, text: 't' + seq, html: '', files: [], kind: 'text',
  created: new Date(1e12 + seq * 1000).toISOString(), edited: null, deleted: false, key: '', ...more,
}); // prettier-ignore
const created = (seq, from, more) => ({type: 'message.created', seq, data: {message: made(seq, from, more)}});
const ids = store => store.rows().map(row => (row.message ? row.message.id : row.pending.key));

test('events are applied once, in order, beside what was loaded', () => {
  const store = new ChatStore();
  store.take({messages: [made(3), made(1)], seq: 3}, false);
  assert.equal(store.event(created(2), 0), null);
  assert.ok(store.event(created(4), 0));
  assert.equal(store.event(created(4), 0), null);
  store.take({messages: [made(2), made(4)], seq: 4});
  assert.deepEqual(ids(store), ['m1', 'm2', 'm3', 'm4']);
});

test('an own message is one row, whichever comes first: the event or the answer', () => {
  for (const first of ['event', 'answer']) {
    const store = new ChatStore();
    store.write('hello', 'k1', 0);
    assert.deepEqual(store.rows().map(row => row.mark), ['sending']);
    const message = made(1, 'visitor', {key: 'k1'});
    const event = () => store.event({type: 'message.created', seq: 1, data: {message}}, 0);
    if (first === 'event') (event(), store.put(message));
    else (store.put(message), event());
    assert.deepEqual(ids(store), ['m1']);
    assert.equal(store.pending.length, 0);
  }
});

test('what waits stays through another conversation, behind what is there', () => {
  const store = new ChatStore();
  store.put(made(1));
  store.write('later', 'k', 0);
  assert.deepEqual(ids(store), ['m1', 'k']);
  store.clear();
  assert.deepEqual(ids(store), ['k']);
  assert.equal(store.seq, 0);
});

test('an older copy of a message neither takes an edit back nor brings back what was deleted', () => {
  const store = new ChatStore();
  store.put(made(1, 'visitor', {text: 'new', edited: '2026-01-02'}));
  store.put(made(1, 'visitor', {text: 'old'}));
  assert.equal(store.messages[0].text, 'new');
  store.put(made(1, 'visitor', {deleted: true, text: '', edited: '2026-01-02'}));
  store.put(made(1, 'visitor', {text: 'old', edited: '2026-01-03'}));
  assert.equal(store.messages[0].deleted, true);
});

test('typing holds six seconds, and ends with the message or the conversation', () => {
  const store = new ChatStore();
  const typing = {type: 'typing', data: {by: 'operator', name: 'Olga'}};
  store.event(typing, 1000);
  assert.equal(store.writing(6999), 'Olga');
  assert.equal(store.writing(7000), '');
  store.event(typing, 8000);
  store.event(created(1), 8100);
  assert.equal(store.writing(8200), '');
  store.event(typing, 9000);
  store.event({type: 'chat.closed', seq: 2, data: {by: 'operator'}}, 9100);
  assert.equal(store.writing(9200), '');
  store.event({type: 'typing', data: {by: 'visitor', name: 'me'}}, 9300);
  assert.equal(store.writing(9400), '');
});

test('unread counts words of others alone; marks of reading only go up', () => {
  const store = new ChatStore();
  store.take({messages: [made(1), made(2, 'visitor'), made(3), made(4, 'system', {kind: 'event'}), made(5, 'operator', {deleted: true})], seq: 5});
  assert.equal(store.unread(), 2);
  assert.equal(store.toRead(), 5);
  store.event({type: 'chat.read', seq: 6, data: {by: 'visitor', seq: 3}}, 0);
  assert.equal(store.unread(), 0);
  store.learn({read: {visitor: 1, operator: 0}});
  assert.equal(store.unread(), 0);
});

test('sent and read stand once each, below the last message that has them', () => {
  const store = new ChatStore();
  store.take({messages: [made(1, 'visitor'), made(2, 'visitor'), made(3, 'visitor'), made(4, 'visitor')], seq: 4});
  store.event({type: 'chat.read', seq: 5, data: {by: 'operator', seq: 2}}, 0);
  assert.deepEqual(store.rows().map(row => row.mark), ['', 'read', '', 'sent']);
});
