// Words in the visitor's language, and what a refusal is called in it.
import assert from 'node:assert/strict';
import {readFileSync, readdirSync} from 'node:fs';
import {beforeEach, test} from 'node:test';
import {Cackle} from './page.mjs';

const {makeWords} = await import('../../../cackled/web/lib/i18n.js');
const {mayPass, reason} = await import('../../../cackled/web/lib/reasons.js');

beforeEach(() => {
  Cackle.locales = {
    en: {
      hello: 'Hello {name}',
      n: {one: '{n} thing', other: '{n} things'},
      network: 'No line.',
      wrong: 'Wrong.',
      safe: 'Safe.',
      problems: {
        banned: 'You are banned.',
        'too-fast': {one: 'In {n} second.', other: 'In {n} seconds.'},
        unavailable: 'Busy.',
        forbidden: 'Forbidden.',
        'not-found': 'Gone.',
        conflict: 'Changed.',
      },
    },
    ru: {
      n: {one: '{n} вещь', few: '{n} вещи', many: '{n} вещей', other: '{n} вещи'},
      wrong: 'Не то.',
      problems: {banned: 'Нельзя.'},
    },
  };
});

test('the form that fits the number, in the language', () => {
  const en = makeWords('en', {}),
    ru = makeWords('ru', {});
  assert.deepEqual(
    [0, 1, 2].map(n => en('n', {n})),
    ['0 things', '1 thing', '2 things'],
  );
  assert.deepEqual(
    [1, 2, 5, 11, 21].map(n => ru('n', {n})),
    ['1 вещь', '2 вещи', '5 вещей', '11 вещей', '21 вещь'],
  );
  assert.equal(en('n', {n: 12345}), '12,345 things');
});

test('the page’s own words first, then the language, then English, then the key', () => {
  const t = makeWords('ru', {hello: 'Ahoy {name}', n: {other: '{n} bits'}});
  assert.equal(t('hello', {name: 'Ann'}), 'Ahoy Ann');
  assert.equal(t('n', {n: 5}), '5 bits');
  assert.equal(makeWords('ru', {})('hello', {name: 'Ann'}), 'Hello Ann');
  assert.equal(t('none'), 'none');
});

test('own words may be of any type, and pages add to Object.prototype', () => {
  Object.prototype.hello = 'from the prototype';
  Object.prototype.other = 'other from the prototype';
  try {
    for (const given of [null, 5, [], {}, () => 'x', {one: 1}, Symbol.iterator]) {
      const word = makeWords('en', {hello: given})('hello', {name: 'Ann'});
      assert.equal(word, given === 5 ? '5' : given && given.one ? 'other from the prototype' : word);
      assert.equal(typeof word, 'string');
    }
    assert.equal(
      makeWords('en', {})('hello', {}),
      'Hello {name}',
      'a value that is not given, whatever the prototype has',
    );
  } finally {
    delete Object.prototype.hello;
    delete Object.prototype.other;
  }
});

test('a value is not read for placeholders', () => {
  assert.equal(makeWords('en', {both: '{a}{b}'})('both', {a: '{b}', b: '$& $1'}), '{b}$& $1');
});

test('a tag that Intl does not take still has its language', () => {
  assert.equal(makeWords('ru-', {})('n', {n: 2}), '2 вещи');
  assert.equal(makeWords('xx-yy', {}).lang, 'en');
  assert.equal(makeWords('ru-ru', {}).lang, 'ru-ru');
});

test('a refusal by its slug: own words by slug or by their former name, then the language, then English', () => {
  const en = makeWords('en', {}),
    ru = makeWords('ru', {});
  assert.equal(en.problem('banned'), 'You are banned.');
  assert.equal(ru.problem('banned'), 'Нельзя.');
  assert.equal(ru.problem('too-fast', {n: 1}), 'In 1 second.');
  assert.equal(makeWords('ru', {banned: 'Own.'}).problem('banned'), 'Own.');
  assert.equal(makeWords('ru', {fast: 'Slow down, {n}.'}).problem('too-fast', {n: 3}), 'Slow down, 3.');
  assert.equal(en.problem('constructor'), '');
});

test('a refusal is told by its slug, else by its status, and the server’s English to English readers alone', () => {
  const en = makeWords('en', {}),
    ru = makeWords('ru', {});
  const type = 'https://a.example/problems/banned';
  assert.equal(reason(en, {status: 403, problem: {type}}), 'You are banned.');
  assert.equal(reason(en, {status: 403, problem: {type: 'x/unheard-of'}}), 'Forbidden.');
  assert.equal(reason(en, {status: 429, retry: 7.2}), 'In 8 seconds.');
  assert.equal(reason(en, {status: 429, retry: NaN}), 'In 5 seconds.');
  assert.equal(reason(en, {status: 410}), 'Gone.');
  assert.equal(reason(en, {status: 502}, true), 'Busy. Safe.');
  assert.equal(reason(en, {status: 0}, true), 'No line. Safe.');
  assert.equal(reason(en, {status: 422, problem: {detail: 'Not that.'}}), 'Not that.');
  assert.equal(reason(ru, {status: 422, problem: {detail: 'Not that.'}}), 'Не то.');
  assert.equal(reason(en, {status: 422, problem: {detail: {toString: null}, type: 5}}), 'Wrong.');
});

test('what may pass by itself is tried again, a refusal is not', () => {
  for (const status of [0, 401, 408, 421, 429, 500, 503]) assert.ok(mayPass({status}), status);
  for (const status of [400, 403, 404, 409, 413, 422]) assert.ok(!mayPass({status}), status);
});

test('plural forms of the catalogues are those that browsers ask for', () => {
  const folders = ['../../../cackled/web/locales/', '../../../cackled/products/comments/web/locales/'];
  for (const folder of folders.map(one => new URL(one, import.meta.url))) {
    for (const file of readdirSync(folder)) {
      const language = file.replace('.json', ''),
        words = JSON.parse(readFileSync(new URL(file, folder), 'utf8')),
        rules = new Intl.PluralRules(language);
      for (const [section, entries] of Object.entries(words)) {
        for (const [key, word] of Object.entries(entries)) {
          if (typeof word === 'string') continue;
          for (let n = 0; n < 1200; n++) assert.ok(word[rules.select(n)], `${file}: ${section}.${key} for ${n}`);
        }
      }
    }
  }
});
