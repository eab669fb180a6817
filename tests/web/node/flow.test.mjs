// The picture of an instant run-off, without a page: bars are as tall as votes are many, and no ballot is lost.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {bands} from '../../../cackled/products/polls/web/flow.js';

/** @param {[string, number][]} counts @param {string} out @param {number} exhausted */
const round = (counts, out = '', exhausted = 0) => ({counts, exhausted, out, tied: [], by: ''});
const OUTCOME = {
  winner: '1',
  rounds: [
    round([['1', 14], ['2', 13], ['3', 12], ['4', 6]], '4'),
    round([['1', 14], ['2', 13], ['3', 18]], '2'),
    round([['1', 25], ['3', 18]], '', 2),
  ],
}; // prettier-ignore

test('what comes into a bar is the bar', () => {
  const {bars, ribbons} = bands(OUTCOME);
  const later = bars.filter(one => one.x > 0);
  assert.equal(later.length, 6);
  later.forEach(bar => {
    const into = ribbons.filter(one => one.to === bar.x && one.top >= bar.y - 1e-9 && one.top < bar.y + bar.size);
    const sum = into.reduce((all, one) => all + one.size, 0);
    assert.ok(Math.abs(sum - bar.size) < 1e-6, `${bar.id || 'exhausted'}: ${sum} of ${bar.size}`);
  });
});

test('who is out gives all that it had, and nobody else gives anything', () => {
  const {bars, ribbons} = bands(OUTCOME);
  const moved = ribbons.filter(one => one.moved);
  const gone = bars.filter(one => (one.id === '4' && one.votes === 6) || (one.id === '2' && one.x > 0));
  const sum = (/** @type {{size: number}[]} */ some) => some.reduce((all, one) => all + one.size, 0);
  assert.ok(Math.abs(sum(moved) - sum(gone)) < 1e-6);
});

test('nothing stands on something else, and all is inside', () => {
  const {width, height, bars} = bands(OUTCOME);
  bars.forEach(one => {
    assert.ok(one.x >= 0 && one.x + one.width <= width && one.y >= 0 && one.y + one.size <= height + 1);
    bars
      .filter(other => other !== one && other.x === one.x && other.y >= one.y)
      .forEach(other => assert.ok(other.y > one.y + one.size));
  });
});

test('nobody has voted, one round, one option', () => {
  assert.deepEqual(bands({winner: '', rounds: []}).bars, []);
  const {bars, ribbons} = bands({winner: '', rounds: [round([['1', 0]])]});
  assert.deepEqual([bars.length, bars[0].size, ribbons.length], [1, 0, 0]);
});
