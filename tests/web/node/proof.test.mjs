// Proof of work: SHA-256 as the platform has it, and answers that the server takes.
import {test} from 'node:test';
import assert from 'node:assert/strict';
import {createHash} from 'node:crypto';
import {sha256, solve as begin} from '../../../cackled/web/lib/proof.js';

const solve = challenge =>
  new Promise((done, failed) => {
    begin(challenge, done, () => failed(new Error('no answer')));
  });
const hex = text => createHash('sha256').update(text).digest('hex');
const ours = text => {
  const block = new Uint8Array(64);
  block.set(new TextEncoder().encode(text));
  return [...sha256(block, text.length)].map(word => (word >>> 0).toString(16).padStart(8, '0')).join('');
};
const challenge = (salt, number, most) => ({salt, challenge: hex(salt + number), most: String(most), signature: 's'});

test('the hash is SHA-256, for all lengths of one block', () => {
  for (let length = 0; length <= 55; length++) {
    const text = 'ab3.'.repeat(14).slice(0, length);
    assert.equal(ours(text), hex(text), `${length} bytes`);
  }
});

test('finds the number, wherever it is', async () => {
  for (const number of [0, 1, 9, 10, 4711, 29_999]) {
    const salt = '1790000000.0123456789abcdef.fedcba9876543210';
    assert.equal(await solve(challenge(salt, number, 30_000)), `${salt}.${number}.s`);
  }
});

test('others have their turn meanwhile', async () => {
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  await solve(challenge('x.y.z', 59_999, 60_000));
  clearInterval(timer);
  assert.ok(turns > 1);
});

test('what is no challenge of ours is refused, and so is one without an answer', async () => {
  const good = challenge('x.y.z', 5, 10);
  for (const wrong of [
    {},
    {...good, salt: 'x'.repeat(48)},
    {...good, salt: 'ä'},
    {...good, salt: 5},
    {...good, most: '9e9'},
    {...good, most: 'x'},
    {...good, most: '0'},
    {...good, challenge: 'xyz'},
    {...good, challenge: hex('else')},
  ])
    await assert.rejects(solve(wrong));
});
