// What a poll shows, without a page.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {parts, ranking} from '../../../cackled/products/polls/web/ballot.js';

const OPTIONS = ['1', '2', '3'].map((id, n) => ({id, text: id, image: '', video: null, votes: n, correct: null}));
const POLL = {
  id: '7',
  kind: 'single',
  question: '',
  description: '',
  options: OPTIONS,
  min: 1,
  max: 1,
  results: 'always',
  changeable: true,
  write_in: false,
  state: 'open',
  voters: 3,
  removed: 0,
  explanation: null,
  outcome: null,
};
const HIDDEN = {...POLL, results: 'voted', voters: null, options: OPTIONS.map(one => ({...one, votes: null}))};
const ME = {options: ['2'], results: null, answer: null, outcome: null};

test('shares are of the voters, of nobody too', () => {
  const shown = parts(POLL, null, []);
  assert.deepEqual([shown.options['1'].share, shown.options['3'].share], [0, 2 / 3]);
  assert.equal(parts({...POLL, voters: 0}, null, []).options['3'].share, 0);
  assert.deepEqual(shown.notes, [['pollVoters', 3]]);
});

test('a vote is ready when it is another one, of as many options as are asked for', () => {
  assert.equal(parts(POLL, null, []).ready, false);
  assert.equal(parts(POLL, null, ['1']).ready, true);
  assert.equal(parts(POLL, ME, ['2']).ready, false);
  assert.equal(parts({...POLL, min: 2, max: 2}, null, ['1', '2', '3']).ready, false);
});

test('final votes, closed and scheduled polls are shown without a form', () => {
  assert.equal(parts({...POLL, changeable: false}, ME, ['2']).open, false);
  assert.equal(parts({...POLL, changeable: false}, null, []).open, true);
  assert.deepEqual(parts({...POLL, state: 'closed'}, null, []).notes[0], ['pollClosed', 0]);
  assert.deepEqual(parts({...POLL, state: 'scheduled'}, null, []).notes[0], ['pollScheduled', 0]);
});

test('what voters alone see comes from their own part', () => {
  assert.deepEqual(parts(HIDDEN, null, []).notes, [['pollAfter', 0]]);
  const results = {voters: 4, options: [{id: '2', votes: 4}]};
  const shown = parts(HIDDEN, {...ME, results, answer: {correct: ['2'], explanation: 'why'}}, []);
  assert.deepEqual([shown.options['2'].votes, shown.options['1'].votes, shown.options['2'].right], [4, null, true]);
  assert.equal(shown.explanation, 'why');
});

test('an option of a ranked ballot moves within it', () => {
  assert.deepEqual(ranking(['1', '2', '3'], '3', -1), ['1', '3', '2']);
  assert.deepEqual(ranking(['1', '2', '3'], '1', 9), ['2', '3', '1']);
  assert.deepEqual(ranking(['1', '2', '3'], '9', -1), ['1', '2', '3']);
});
