// What the reviews of a page are, and what events make of them, without a page; and the templates of ReviewRating.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {lines, share, Store} from '../../../cackled/products/reviews/web/store.js';
import {BadTemplate, template} from '../../../cackled/products/reviews/web/template.js';

/** @param {string} id @param {Record<string, any>} [more] */
const review = (id, more) =>
  /** @type {any} */ ({
    id,
    kind: 'review',
    parent: null,
    author: {id: 'v' + id, name: 'Ada', avatar: null},
    star: 5,
    title: '',
    pros: '',
    cons: '',
    html: '<p>Good</p>',
    recommend: null,
    criteria: {},
    attributes: {},
    variant: '',
    media: [],
    experienced: null,
    created: '2026-01-01T00:00:00Z',
    edited: null,
    up: 0,
    down: 0,
    verified: null,
    source: null,
    incentivized: false,
    staff: false,
    reply: null,
    ...more,
  });
/** @param {number} count @param {number[]} histogram */
const summary = (count, histogram) => ({
  count,
  average: 4,
  histogram,
  recommend: 0,
  recommend_of: 0,
  criteria: {},
  with_media: 0,
  questions: 0,
});
/** @param {any[]} reviews @param {any} [me] */
function begun(reviews, me) {
  const store = new Store();
  store.begin({
    position: '1/2@10',
    summary: summary(reviews.length, [0, 0, 0, 0, reviews.length]),
    page: {reviews, cursor: null},
    me,
  });
  return store;
}

test('what came since waits, once, and stands above the others when it is asked for', () => {
  const store = begun([review('1'), review('2')]);
  const told = {review: review('3'), summary: summary(3, [0, 0, 0, 0, 3])};
  assert.equal(store.take({type: 'review.created', seq: 11, data: told}), 'new');
  assert.equal(store.take({type: 'review.created', seq: 11, data: told}), '');
  assert.deepEqual([store.waiting.size, store.summary.count], [1, 3]);
  assert.deepEqual(
    store.flush().map(one => one.id),
    ['3'],
  );
  assert.deepEqual([...store.shown.keys()], ['3', '1', '2']);
});

test('an event that the page knows already changes nothing, its figures neither', () => {
  const store = begun([review('1')]);
  const old = {review: review('9'), summary: summary(70, [0, 0, 0, 0, 70])};
  assert.equal(store.take({type: 'review.created', seq: 10, data: old}), '');
  assert.equal(store.summary.count, 1);
});

test('what does not fit the filter is counted and does not wait', () => {
  const store = begun([review('1')]);
  store.stars = [1];
  const told = {review: review('3', {star: 4}), summary: summary(2, [0, 0, 0, 1, 1])};
  assert.equal(store.take({type: 'review.created', seq: 11, data: told}), 'counted');
  assert.deepEqual([store.waiting.size, store.summary.count], [0, 2]);
  store.stars = [];
  store.words = 'battery';
  assert.equal(store.fits(review('5')), false);
});

test('votes come in order, whatever is first', () => {
  const store = begun([review('1')]);
  assert.equal(store.take({type: 'review.voted', seq: 12, data: {id: '1', up: 2, down: 0}}), 'voted');
  assert.equal(store.vote({id: '1', up: 1, down: 0}, 11), false);
  assert.equal(store.shown.get('1')?.up, 2);
  assert.equal(store.take({type: 'review.voted', seq: 13, data: {id: '77', up: 2, down: 0}}), '');
});

test('what is taken away goes from where it stands and from where it waits', () => {
  const store = begun([review('1')]);
  store.take({type: 'review.created', seq: 11, data: {review: review('3')}});
  assert.equal(
    store.take({type: 'review.deleted', seq: 12, data: {id: '3', summary: summary(1, [0, 0, 0, 0, 1])}}),
    'gone',
  );
  assert.equal(
    store.take({type: 'review.deleted', seq: 13, data: {id: '1', summary: summary(0, [0, 0, 0, 0, 0])}}),
    'gone',
  );
  assert.equal(store.take({type: 'review.deleted', seq: 14, data: {id: '1'}}), 'counted');
  assert.deepEqual([store.shown.size, store.waiting.size, store.summary.count], [0, 0, 0]);
});

test("one's own that waits is not among the others until they see it", () => {
  const own = review('4', {state: 'pending', text: 'Good'});
  const store = begun([review('1')], {votes: {1: 1}, own: [own], blocked: []});
  assert.deepEqual(
    store.pending.map(one => one.id),
    ['4'],
  );
  assert.equal(store.mine?.id, '4');
  store.take({type: 'review.created', seq: 11, data: {review: review('4')}});
  assert.equal(store.pending.length, 0);
  assert.equal(store.mine?.text, 'Good');
});

test('what was written stands first where others see it too', () => {
  const store = begun([review('1')]);
  store.wrote({review: review('5', {text: 'x'}), summary: summary(2, [0, 0, 0, 0, 2]), position: '1/2@12'});
  assert.deepEqual([...store.shown.keys()], ['5', '1']);
  assert.equal(store.summary.count, 2);
  store.wrote({review: review('6', {state: 'pending'}), summary: summary(2, [0, 0, 0, 0, 2]), position: '1/2@13'});
  assert.deepEqual([...store.shown.keys()], ['5', '1']);
});

test('answers to questions are told as such', () => {
  const store = begun([]);
  assert.equal(
    store.take({type: 'review.created', seq: 11, data: {review: review('8', {kind: 'answer'})}}),
    'question',
  );
  assert.equal(store.waiting.size, 0);
});

test('queries say what is asked for', () => {
  const store = begun([]);
  assert.equal(new URLSearchParams(store.query()).toString(), 'sort=helpful');
  Object.assign(store, {sort: 'media', stars: [5, 1], words: 'a b'});
  assert.equal(new URLSearchParams(store.query('x')).toString(), 'sort=media&star=5&star=1&q=a+b&media=1&cursor=x');
  assert.equal(store.narrowed, true);
});

test('shares of none are none; lines lose their marks', () => {
  assert.equal(share(summary(0, [0, 0, 0, 0, 0]), 5), 0);
  assert.equal(share(summary(4, [1, 0, 0, 0, 3]), 5), 0.75);
  assert.deepEqual(lines('+ light\n\n - cheap \nsmall'), ['light', 'cheap', 'small']);
});

/** @param {string} text @param {any} it */
const fill = (text, it) =>
  template(text)(it)
    .map(one => one.text + (one.value ?? ''))
    .join('');

test('templates choose and reckon', () => {
  const text = '{{=it.stars}} {{?it.numr > 0}}{{=it.numr+it.numv}} {{=it.reviews}}{{??}}none{{?}}';
  assert.equal(fill(text, {stars: 'S', numr: 2, numv: 1, reviews: 'reviews'}), 'S 3 reviews');
  assert.equal(fill(text, {stars: 'S', numr: 0, numv: 0, reviews: ''}), 'S none');
  assert.equal(fill('{{?it.a}}1{{?? it.b == 2 && !it.c}}2{{??}}3{{?}}', {b: 2}), '2');
  assert.equal(fill("{{= it.n == 1 ? 'one' : (it.n * 2 - 1) / 2 }}", {n: 2}), '1.5');
  assert.equal(fill('{{?it.a}}{{?it.b}}x{{?}}y{{?}}', {a: 1, b: 0}), 'y');
});

test('nothing but names of its own is read, and nothing is run', () => {
  for (const bad of [
    '{{=window.x}}',
    '{{=it.a()}}',
    '{{=it.a.b}}',
    "{{=it['a']}}",
    '{{=alert(1)}}',
    '{{ var x = 1 }}',
    '{{~it.a :b}}{{~}}',
    '{{?it.a}}',
    '{{?}}',
    '{{=it.a +}}',
    '{{=`x`}}',
    '{{=' + '('.repeat(200) + '1' + ')'.repeat(200) + '}}',
    '{{=' + '!'.repeat(9000) + '1}}',
    '{{=' + '1?1:'.repeat(2000) + '1}}',
    'x'.repeat(10_001),
  ]) {
    assert.throws(() => template(bad), BadTemplate, bad.slice(0, 40));
  }
  assert.equal(fill('{{=it.constructor}}{{=it.__proto__}}', {}), '');
});
