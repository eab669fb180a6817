/* Pictures beside a text: what becomes of each, and whether the text can be sent. */
import assert from 'node:assert/strict';
import {test} from 'node:test';

import {PictureList} from '../../../cackled/web/pictures/list.js';

/** A list whose sending the test decides. */
function made(most = 3) {
  const sent = [];
  let changes = 0;
  const list = new PictureList(
    most,
    (blob, progress, signal) => new Promise((resolve, reject) => sent.push({blob, progress, signal, resolve, reject})),
    error => ({why: String(error.why), again: !error.final}),
    () => changes++,
  );
  return {list, sent, changes: () => changes};
}
const kept = id => ({id, src: `/media/${id}/320.webp`, color: '#000000', alt: ''});
const turn = () => new Promise(done => setTimeout(done));

test('a text waits for its pictures', async () => {
  const {list, sent} = made();
  const [one] = list.add([new Blob(['a'])]);
  assert.equal(list.unsettled, true);
  sent[0].progress(0.5);
  assert.equal(one.share, 0.5);
  sent[0].resolve(kept('1-a'));
  await turn();
  assert.equal(list.unsettled, false);
  assert.deepEqual(list.ids, ['1-a']);
});

test('there are as many as there may be, in the order in which they were added', async () => {
  const {list, sent} = made(2);
  list.add([new Blob(['a']), new Blob(['b']), new Blob(['c'])]);
  assert.equal(list.room, 0);
  assert.deepEqual(list.add([new Blob(['d'])]), []);
  sent[1].resolve(kept('1-b'));
  await turn();
  assert.deepEqual(list.ids, ['1-b']);
  sent[0].resolve(kept('1-a'));
  await turn();
  assert.deepEqual(list.ids, ['1-a', '1-b']);
});

test('one that was not sent can be sent again, one that was refused can only go', async () => {
  const {list, sent} = made();
  const [one, other] = list.add([new Blob(['a']), new Blob(['b'])]);
  sent[0].reject({why: 'network'});
  sent[1].reject({why: 'no picture', final: true});
  await turn();
  assert.deepEqual([one.state, one.why, other.state], ['failed', 'network', 'refused']);
  assert.equal(list.unsettled, true);
  list.again(one);
  assert.deepEqual([one.state, one.why], ['sending', '']);
  sent[2].resolve(kept('1-a'));
  list.remove(other);
  await turn();
  assert.deepEqual([list.unsettled, list.ids], [false, ['1-a']]);
});

test('one that went while it was sent is not with the text', async () => {
  const {list, sent} = made();
  const [one] = list.add([new Blob(['a'])]);
  list.remove(one);
  sent[0].resolve(kept('1-a'));
  await turn();
  assert.deepEqual([list.ids, list.unsettled, list.room], [[], false, 3]);
});

test('a draft keeps those that are there, with their words', async () => {
  const {list, sent} = made();
  const [one] = list.add([new Blob(['a']), new Blob(['b'])]);
  sent[0].resolve(kept('1-a'));
  await turn();
  one.alt = 'a wall';
  const draft = JSON.parse(JSON.stringify(list.kept));
  const again = made();
  again.list.restore(draft);
  assert.deepEqual(again.list.ids, ['1-a']);
  assert.equal(again.list.all[0].alt, 'a wall');
  again.list.clear();
  assert.deepEqual(again.list.kept, []);
});

test('one that is taken away is sent no more', () => {
  const {list, sent} = made();
  const [one] = list.add([new Blob(['a'])]);
  assert.equal(sent[0].signal.aborted, false);
  list.remove(one);
  assert.deepEqual([sent[0].signal.aborted, list.unsettled], [true, false]);
});
