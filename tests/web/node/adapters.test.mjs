// What pages give to the adapters of Disqus, FastComments and WidgetPack is of any kind: nothing of it stops a script, and
// our widget is asked for once in its place, by values that it can read. Values are drawn from a seed, which a failure names.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {test} from 'node:test';

const ROUNDS = 1000;
const read = (/** @type {string} */ name) =>
  new Function(
    'window',
    'document',
    'console',
    'Element',
    'location',
    'fetch',
    readFileSync(new URL(`../../../cackled/web/adapters/${name}.js`, import.meta.url), 'utf8'),
  );
const SCRIPTS = {disqus: read('disqus'), fastcomments: read('fastcomments'), widgetpack: read('widgetpack')};
const COUNT = read('disqus_count');

/** Numbers from 0 to 1, the same for the same seed (mulberry32). @param {number} seed */
function dice(seed) {
  let at = seed;
  return () => {
    at = (at + 0x6d2b79f5) | 0;
    let made = Math.imul(at ^ (at >>> 15), 1 | at);
    made = (made + Math.imul(made ^ (made >>> 7), 61 | made)) ^ made;
    return ((made ^ (made >>> 14)) >>> 0) / 2 ** 32;
  };
}

const fail = () => {
  throw new Error('of the page');
};
const TRAPS = Object.fromEntries(Object.getOwnPropertyNames(Reflect).map(name => [name, fail]));

const PLAIN = [
  undefined, null, '', 0, -0, NaN, Infinity, -1, 3, 10n, true, false, Symbol('s'), 'x', ' y ', '\ud800', '\0', '###', '#two',
  '<b>', 'a'.repeat(5000), 'javascript:alert(1)', '__proto__', 'constructor', 'MR', 'Comment', new Date(NaN), /x/g,
  new URL('https://page.example/a?b#c'), Object.create(null), fail, () => {}, class {}, new Proxy({}, TRAPS),
  new Proxy(() => {}, TRAPS), {toString: fail}, {toString: () => 'https://page.example/t'}, {valueOf: fail, toString: null},
  Object.freeze([]), Promise.resolve(1), new Map([['url', 'x']]),
]; // prettier-ignore

/** Something, however strange. @param {() => number} chance @param {number} [depth] @returns {any} */
function anything(chance, depth = 0) {
  const pick = chance();
  if (depth < 2 && pick > 0.9) return shaped(chance, depth + 1);
  if (depth < 2 && pick > 0.8) return Array.from({length: Math.floor(chance() * 4)}, () => anything(chance, depth + 1));
  return PLAIN[Math.floor(chance() * PLAIN.length)];
}
const MEMBERS = [
  'url', 'urlId', 'identifier', 'title', 'pageTitle', 'locale', 'language', 'target', 'sso', 'userDataJSONBase64', 'timestamp',
  'defaultSortDirection', 'hasDarkBackground', 'maxReplyDepth', 'translations', 'onRender', 'onReplySuccess', 'page',
  'callbacks', 'onReady', 'onNewComment', 'onIdentify', 'remote_auth_s3', 'config', 'reload', 'widget', 'chan', 'container', 'id',
]; // prettier-ignore

/** An object with members that the adapters read, some of which throw. @param {() => number} chance @param {number} [depth] */
function shaped(chance, depth = 0) {
  const made = {};
  for (const name of MEMBERS) {
    if (chance() < (depth ? 0.9 : 0.5)) continue;
    const value = anything(chance, depth);
    if (chance() < 0.1) Object.defineProperty(made, name, {get: fail, enumerable: true});
    else Object.defineProperty(made, name, {value, writable: chance() < 0.9, enumerable: true, configurable: true});
  }
  return chance() < 0.1 ? Object.freeze(made) : made;
}

/** A page with *globals* and *script*, as its adapter sees it. @param {string} name @param {Record<string, any>} globals @param {string[]} ids */
function host(name, globals, ids) {
  class Element {}
  const nodes = new Map(ids.map(id => [`#${id}`, Object.assign(new Element(), {id})]));
  /** @type {any[]} */
  const loaders = [];
  const script = {
    src: `https://c.example/${name}/1/${name === 'widgetpack' ? 'widget' : 'embed'}.js`,
    dataset: {},
    nonce: '',
  };
  if (name === 'widgetpack') script.src = 'https://c.example/widgetpack/widget.js';
  /** @type {any} */
  const page = {
    ...globals,
    Element,
    console: {warn: () => {}, error: () => {}},
    setTimeout: () => 0,
    document: {
      currentScript: script,
      readyState: 'complete',
      head: {append: (/** @type {any} */ one) => loaders.push(one)},
      createElement: () => ({}),
      querySelectorAll: () => [],
      querySelector: (/** @type {any} */ what) => {
        if (what === '###' || what === '') throw new SyntaxError('no selector');
        return nodes.get(what) ?? null;
      },
    },
  };
  const run = () => SCRIPTS[/** @type {keyof typeof SCRIPTS} */ (name)](page, page.document, page.console, Element);
  return {page, loaders, run};
}

/** The widgets that the adapter asked for; each has what the loader can read. @param {any} page @param {string[]} places */
function asked(page, places) {
  assert.ok(Array.isArray(page.cackle_widget), 'a list');
  const ours = [...page.cackle_widget].filter(one => {
    try {
      return places.includes(one.container) && one.id === '1' && one.callback;
    } catch {
      return false;
    }
  });
  for (const one of ours) {
    assert.equal(one.widget, 'Comment');
    for (const name of ['channel', 'url', 'title', 'lang', 'sort', 'theme', 'remote_auth_s3'])
      if (name in one) assert.ok(typeof one[name] === 'string' && one[name] && !/^\[object/.test(one[name]), name);
    if ('level' in one) assert.ok(Number.isInteger(one.level) && one.level >= 0);
    for (const list of Object.values(one.callback))
      for (const f of /** @type {any[]} */ (list)) assert.equal(typeof f, 'function');
  }
  return ours;
}

/** @param {(seed: number, chance: () => number) => void} one */
function rounds(one) {
  for (let seed = 1; seed <= ROUNDS; seed++) {
    try {
      one(seed, dice(seed));
    } catch (error) {
      throw new Error(`seed ${seed}: ${/** @type {any} */ (error)?.stack}`, {cause: error});
    }
  }
}

test('disqus_config of any kind', () => {
  rounds((seed, chance) => {
    const filled = shaped(chance);
    const fill = chance() < 0.7
      ? function () {
          // As pages do: into what is given, or over it.
          for (const name of Object.keys(filled)) this[name] = filled[name];
          if (chance() < 0.5) this.page = shaped(chance);
          if (chance() < 0.5) this.callbacks = shaped(chance);
          if (chance() < 0.1) fail();
        }
      : anything(chance); // prettier-ignore
    const there = chance() < 0.3 ? {cackle_widget: anything(chance)} : {};
    const old = {disqus_identifier: anything(chance), disqus_url: anything(chance), disqus_title: anything(chance)};
    const more = chance() < 0.2 ? {DISQUS: anything(chance)} : {};
    const {page, loaders, run} = host('disqus', {disqus_config: fill, ...old, ...there, ...more}, []);
    if (!writable(there.cackle_widget) || !extensible(more.DISQUS)) return;
    run();
    assert.equal(loaders.length, 1);
    assert.equal(asked(page, ['disqus_thread']).length, 1);
    for (let n = 0; n < 3; n++) {
      page.DISQUS.reset(
        chance() < 0.5 ? anything(chance) : {reload: true, config: chance() < 0.5 ? fill : anything(chance)},
      );
      assert.equal(asked(page, ['disqus_thread']).length, 1);
    }
    // The script once more: still one.
    run();
    assert.equal(asked(page, ['disqus_thread']).length, 1);
  });
});

/** What a page froze or made of traps can't be added to, by anybody. @param {any} value */
const writable = value => {
  try {
    return !value || !Array.isArray(value) || !Object.isFrozen(value);
  } catch {
    return false;
  }
};
/** @param {any} value */
const extensible = value => {
  try {
    return !value || !/object|function/.test(typeof value) || (Object.isExtensible(value) && !('x' in value));
  } catch {
    return false;
  }
};

test('fcConfigs of any kind', () => {
  const places = ['fastcomments-widget', 'two'];
  rounds((seed, chance) => {
    const some = () => (chance() < 0.7 ? shaped(chance) : anything(chance));
    const list = Array.from({length: Math.floor(chance() * 4)}, some);
    const given = chance() < 0.7 ? (chance() < 0.2 ? Object.freeze(list) : list) : anything(chance);
    const there = chance() < 0.2 ? {cackle_widget: anything(chance)} : {};
    if (!writable(there.cackle_widget)) return;
    const {page, loaders, run} = host('fastcomments', {fcConfigs: given, ...there}, chance() < 0.8 ? places : []);
    run();
    assert.equal(loaders.length, 1);
    page.fcConfigs.push(some(), some());
    const made = page.FastCommentsUI(chance() < 0.5 ? '#two' : anything(chance), some());
    made.update(some());
    made.destroy();
    // Where none of them found its place, the page's own list is as it was.
    if (Array.isArray(page.cackle_widget)) {
      const ours = asked(page, places);
      assert.equal(new Set(ours.map(one => one.container)).size, ours.length, 'one in each place');
    }
  });
});

test('wpac_init of any kind', () => {
  rounds((seed, chance) => {
    const some = () => (chance() < 0.7 ? shaped(chance) : anything(chance));
    const list = Array.from({length: Math.floor(chance() * 4)}, some);
    const {page, loaders, run} = host('widgetpack', {wpac_init: chance() < 0.8 ? list : anything(chance)}, []);
    run();
    run();
    assert.equal(loaders.length, 1);
    page.wpac_init.push(some(), null, 7);
    assert.ok(!page.cackle_widget || Array.isArray(page.cackle_widget) || page.cackle_widget.map);
  });
});

/** A page with *nodes* and *words* (of `DISQUSWIDGETS`), where counts are answered by *answer*. @param {any} words @param {any[]} nodes @param {string} by @param {(url: URL) => any} answer */
function counting(words, nodes, by, answer) {
  const script = {src: 'https://c.example/disqus/1/count.js', dataset: {by}};
  const document = {currentScript: script, readyState: 'complete', querySelectorAll: () => nodes};
  /** @type {URL[]} */
  const asked = [];
  const page = /** @type {any} */ ({DISQUSWIDGETS: words});
  const fetch = async (/** @type {string} */ url) => {
    asked.push(new URL(url));
    return answer(asked[asked.length - 1]);
  };
  COUNT(page, document, console, Object, {href: 'https://page.example/here'}, fetch);
  return {page, asked, done: () => new Promise(then => setTimeout(then))};
}

test('links that are counted, of any kind', async () => {
  const texts = PLAIN.filter(one => typeof one === 'string');
  for (let seed = 1; seed <= ROUNDS; seed++) {
    const chance = dice(seed);
    const why = `seed ${seed}`;
    const text = () => texts[Math.floor(chance() * texts.length)];
    const nodes = Array.from({length: Math.floor(chance() * 70)}, (_, n) => ({
      href: chance() < 0.5 ? `https://page.example/${n}#disqus_thread` : anything(chance),
      dataset: {...(chance() < 0.4 ? {disqusIdentifier: text()} : {}), ...(chance() < 0.4 ? {disqusUrl: text()} : {})},
      textContent: 'as it was',
    }));
    const forms = {zero: anything(chance), one: anything(chance), multiple: anything(chance)};
    const words = chance() < 0.5 ? {text: forms} : anything(chance);
    const well = chance() < 0.7;
    const {page, asked, done} = counting(words, nodes, chance() < 0.5 ? 'name' : 'url', url => {
      if (!well && chance() < 0.5) fail();
      const counts = Object.fromEntries(
        [...url.searchParams.values()].filter(() => chance() < 0.5).map(one => [one, 3]),
      );
      return {ok: well || chance() < 0.5, json: async () => (well ? {counts} : anything(chance))};
    });
    await done();
    for (const url of asked) {
      assert.equal(url.origin + url.pathname, 'https://c.example/api/v1/sites/1/counts', why);
      const names = [...url.searchParams.keys()];
      assert.ok(names.length && names.length <= 30 && names.every(name => /^(channel|url)$/.test(name)), why);
    }
    // Each has a number, or a form of the page's; where nothing came it stays as it was.
    for (const {textContent} of nodes) {
      const forms_ = texts.map(String).concat('0', '3', ...(well ? [] : ['as it was']));
      assert.ok(forms_.includes(textContent) || (!well && typeof textContent === 'string'), `${why}: ${textContent}`);
    }
    assert.ok(page.DISQUSWIDGETS, why);
  }
});

test('counts stand in their forms, by address and by name', async () => {
  const link = (/** @type {string} */ href, dataset = {}) => ({href, dataset, textContent: ''});
  const nodes = [
    link('https://page.example/a#disqus_thread'), link('https://page.example/b#disqus_thread'),
    link('https://page.example/c#disqus_thread', {disqusIdentifier: 'constructor'}),
    link('https://page.example/d', {disqusUrl: 'https://page.example/b'}),
  ]; // prettier-ignore
  const words = {text: {zero: 'none', one: '{num} comment', multiple: '{num} comments'}};
  const {page, asked, done} = counting(words, nodes, 'name', () => ({
    ok: true,
    json: async () => ({counts: {'/a': 1, 'https://page.example/b': 7}, keys: {'https://page.example/a': '/a'}}),
  }));
  await done();
  assert.deepEqual(nodes.map(one => one.textContent), ['1 comment', '7 comments', 'none', '7 comments']); // prettier-ignore
  page.DISQUSWIDGETS.getCount();
  await done();
  assert.equal(asked.length, 2);
});

test('the ordinary configurations come through', () => {
  const disqus = host(
    'disqus',
    {
      disqus_config() {
        this.page.url = 'https://page.example/a';
        this.page.title = 'T';
        this.language = 'de';
        this.page.remote_auth_s3 = 'abc';
        this.callbacks.onNewComment.push(() => {});
      },
    },
    [],
  );
  disqus.run();
  const [{callback, ...one}] = asked(disqus.page, ['disqus_thread']);
  assert.equal(callback.create.length, 1);
  assert.deepEqual({...one}, {
    widget: 'Comment', id: '1', container: 'disqus_thread', url: 'https://page.example/a', title: 'T', lang: 'de', remote_auth_s3: 'abc',
  }); // prettier-ignore
  const sso = {userDataJSONBase64: 'e30=', verificationHash: 'ab', timestamp: 5, loginURL: '/in'};
  const config = {urlId: 7, pageTitle: 'T', defaultSortDirection: 'OF', hasDarkBackground: true, maxReplyDepth: 0, sso};
  const fast = host('fastcomments', {fcConfigs: [config]}, ['fastcomments-widget']);
  fast.run();
  const [other] = asked(fast.page, ['fastcomments-widget']);
  assert.deepEqual(JSON.parse(JSON.stringify({...other, callback: undefined})), {
    widget: 'Comment', id: '1', container: 'fastcomments-widget', channel: '7', title: 'T', sort: 'old', theme: 'dark', level: 0, sso,
  }); // prettier-ignore
});
