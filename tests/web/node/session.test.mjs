// Calls in the name of the visitor: one session for all, renewed when it has run out, keys and servers that stay or change.
import assert from 'node:assert/strict';
import {beforeEach, test} from 'node:test';
import {Cackle, answer, hosts, local, settle} from './page.mjs';

const {openSession} = await import('../../../cackled/web/lib/session.js');

/** What was asked: [method, path, bearer, key, body]. */
let asked = [],
  answers;
const future = () => Math.floor(Date.now() / 1000) + 900;

beforeEach(() => {
  asked = [];
  answers = () => answer(200, {});
  local.kept.clear();
  hosts.splice(0, hosts.length, 'https://a.example');
  Cackle.config = {servers: [{}]};
  Cackle.refused = false;
  let sessions = 0;
  globalThis.fetch = async (url, {method, headers, body}) => {
    const {host, pathname, search} = new URL(url);
    asked.push({
      method,
      host,
      path: pathname + search,
      bearer: (headers.Authorization || '').slice(7),
      key: headers['Idempotency-Key'],
      body: body && JSON.parse(body),
    });
    if (pathname.endsWith('/sessions')) {
      sessions += 1;
      return answers(asked.at(-1)) ?? answer(201, {token: `t${sessions}`, visitor: '7', view: 'v', expires: future()});
    }
    return answers(asked.at(-1)) ?? answer(200, {fine: true});
  };
});
const only = f => {
  answers = one => (one.path.includes('/sessions') ? undefined : f(one));
};

test('however many calls begin at once, one session is opened, and stored for other tabs', async () => {
  only(() => undefined);
  const session = openSession('1');
  const all = await Promise.all([
    session.call('PUT', '/a', {body: {}}),
    session.call('POST', '/b', {body: {}}),
    session.open(),
  ]);
  assert.deepEqual(all, [{fine: true}, {fine: true}, 't1']);
  assert.equal(asked.filter(one => one.path.endsWith('/sessions')).length, 1);
  assert.deepEqual(
    asked.slice(1).map(one => one.bearer),
    ['t1', 't1'],
  );
  assert.equal(openSession('1').visitor(), '7');
  assert.equal(session.view(), '7.v');
});

test('reading needs no session', async () => {
  only(() => undefined);
  await openSession('1').call('GET', '/comments', {});
  assert.deepEqual(
    asked.map(one => [one.method, one.path, one.bearer]),
    [['GET', '/api/v1/sites/1/comments', '']],
  );
});

test('a session that another tab has renewed is taken', async () => {
  only(() => undefined);
  const session = openSession('1');
  await session.open();
  local.setItem('cackle:1', JSON.stringify({token: 'theirs', visitor: '7', view: 'w', expires: future()}));
  await session.call('PUT', '/a', {});
  assert.equal(asked.at(-1).bearer, 'theirs');
  assert.equal(asked.length, 2);
});

test('one that runs out is renewed with the old token; one that the server does not know any more is opened anew', async () => {
  local.setItem('cackle:1', JSON.stringify({token: 'old', visitor: '7', expires: future() - 890}));
  only(() => undefined);
  await openSession('1').call('PUT', '/a', {});
  assert.deepEqual(
    asked.map(one => one.bearer),
    ['old', 't1'],
  );
  local.setItem('cackle:1', JSON.stringify({token: 'old', visitor: '7', expires: 5}));
  asked = [];
  answers = one => (one.bearer === 'old' ? answer(401, {}) : undefined);
  await openSession('1').call('PUT', '/a', {});
  assert.deepEqual(
    asked.map(one => one.bearer),
    ['old', '', 't3'],
  );
});

test('401 ends a session once; a second time it is told', async () => {
  local.setItem('cackle:1', JSON.stringify({token: 'ended', visitor: '7', expires: future()}));
  only(one => (one.bearer === 'ended' ? answer(401, {}) : undefined));
  assert.deepEqual(await openSession('1').call('PUT', '/a', {}), {fine: true});
  only(() => answer(401, {type: 'x/bad-token'}));
  await assert.rejects(openSession('1').call('PUT', '/a', {}), error => error.status === 401);
});

test('a grant is asked for again, once for all calls, before the session is given up', async () => {
  let renewals = 0;
  local.setItem('cackle:1', JSON.stringify({token: 'mine', visitor: '7', expires: future()}));
  only(one => (one.path.includes('token=new') ? undefined : answer(401, {})));
  const session = openSession('1', 'old', async () => {
    renewals += 1;
    return 'new';
  });
  await Promise.all([session.call('GET', '/a?b=1', {}), session.call('PUT', '/c', {})]);
  assert.equal(renewals, 1);
  assert.deepEqual(
    asked.map(one => one.path.split('/1')[1]),
    ['/a?b=1&token=old', '/c?token=old', '/a?b=1&token=new', '/c?token=new'],
  );
  assert.ok(
    asked.every(one => one.method === 'GET' || one.bearer === 'mine'),
    'the session was not at fault',
  );
});

test('what one server can’t write goes to the next, with its key', async () => {
  Cackle.config = {servers: [{}, {}]};
  hosts.push('https://b.example');
  only(one => (one.host === 'a.example' ? answer(503, {}) : undefined));
  await openSession('1').call('POST', '/comments', {key: 'k1', body: {text: 'x'}});
  assert.deepEqual(
    asked.filter(one => one.key).map(one => [one.host, one.key, one.body.text]),
    [
      ['a.example', 'k1', 'x'],
      ['b.example', 'k1', 'x'],
    ],
  );
  only(() => answer(503, {}));
  await assert.rejects(
    openSession('1').call('POST', '/comments', {key: 'k2', body: {}}),
    error => error.status === 503,
  );
  assert.equal(asked.filter(one => one.key === 'k2').length, 2, 'each server once');
});

test('no line is status 0, and the next call asks another server', async () => {
  local.setItem('cackle:1', JSON.stringify({token: 'mine', visitor: '7', expires: future()}));
  hosts.push('https://b.example');
  only(() => {
    throw new TypeError('Failed to fetch');
  });
  await assert.rejects(openSession('1').call('PUT', '/a', {}), error => error.status === 0);
  assert.equal(hosts[0], 'https://b.example');
  Cackle.refused = true;
  await assert.rejects(openSession('1').call('PUT', '/a', {}), error => error.status === 403, 'browsers hide why');
  assert.equal(hosts[0], 'https://b.example');
});

test('an answer that is cut is no answer; of a refusal the status counts', async () => {
  only(() => answer(200, '{"a":'));
  await assert.rejects(openSession('1').call('GET', '/a', {}), error => error.status === 0);
  only(() => answer(502, '<html>'));
  await assert.rejects(openSession('1').call('GET', '/a', {}), error => error.status === 502);
  only(() => answer(429, {type: 'x/too-fast'}, {'Retry-After': '8'}));
  await assert.rejects(
    openSession('1').call('GET', '/a', {}),
    error => error.retry === 8 && error.problem.type === 'x/too-fast',
  );
  only(() => answer(204));
  assert.deepEqual(await openSession('1').call('GET', '/a', {}), {});
});

test('what is stored keeps what other tabs stored, and may be anything', async () => {
  for (const kept of ['5', '"x"', '[]', 'null', '{', '{"token":{"a":1}}']) {
    local.setItem('cackle:1', kept);
    const session = openSession('1');
    session.set('name', 'Ann');
    local.setItem('cackle:1', JSON.stringify({...Cackle.load('1'), sort: 'new'}));
    session.set('other', 1);
    assert.deepEqual([session.get('name'), session.get('sort')], ['Ann', 'new']);
  }
  local.forbidden = true;
  const session = openSession('1');
  session.set('name', 'Ann');
  assert.equal(session.get('name'), 'Ann');
  local.forbidden = false;
  await settle();
});
