// What the header says, what can be reached and what is shown agree, whatever happens while somebody turns pages.
import {test} from 'node:test';
import assert from 'node:assert/strict';
import {open, reckon, globals} from './page.mjs';
import {Server} from '../../web/node/server.mjs';

/* Small and seeded, so that a failure can be played again. */
function random(seed) {
  let a = seed >>> 0;
  const next = () => { a = a + 0x6D2B79F5 >>> 0; let t = Math.imul(a ^ a >>> 15, a | 1); t ^= t + Math.imul(t ^ t >>> 7, t | 61); return ((t ^ t >>> 14) >>> 0) / 4294967296; };
  return {below: n => Math.floor(next() * n), chance: p => next() < p, of: list => list[Math.floor(next() * list.length)]};
}
const turn = () => new Promise(done => setImmediate(done));

/* One reader before one server. Answers and events come when the seed says so: each answer is made at one moment and heard at a later. */
async function play(seed, {sort = 'best', steps = 60, legacy = false} = {}) {
  const r = random(seed), server = new Server(legacy), asked = [], keys = new Map();
  let heard, calls = 0, posts = 0, resetting = false;
  const act = () => {
    const ids = [...server.rows.keys()], dice = r.below(10), id = ids.length && r.of(ids);
    if (dice < 3 || !ids.length) server.post(r.chance(.6) ? null : id);
    else if (dice < 7) server.vote(id, r.chance(.75) ? 1 + r.below(3) : -1 - r.below(3));
    else server.remove(id);
  };
  // What the visitor writes; a key that comes again gets the answer it had.
  const write = (method, path, options) => {
    const id = path.split('/')[2], body = options.body;
    if (method === 'POST' && !keys.has(options.key)) {
      const made = server.post(body.parent, 'me');
      keys.set(options.key, made ? {made: server.rows.get(made), seq: server.seq} : {status: 422});
    }
    if (method === 'POST') {
      const known = keys.get(options.key);
      return known.made ? {comment: server.json(known.made), position: '1/1@' + known.seq} : known;
    }
    if (!server.rows.has(id) || server.rows.get(id).deleted) return {status: 404};
    if (method === 'DELETE') server.remove(id);
    else server.vote(id, body.value || 1);
    const {up, down} = server.rows.get(id) || {};
    return {up, down, score: up - down, position: '1/1@' + server.seq};
  };
  const one = id => server.rows.has(id) ? {comment: server.json(server.rows.get(id))} : {status: 404};
  const call = (method, path, options) => new Promise((done, failed) => {
    const query = Object.fromEntries(new URLSearchParams(path.split('?')[1]));
    calls += 1;
    asked.push({done, failed, make: () => method === 'GET' ? (path.indexOf('/comments/') ? server.page({...query, size: +query.size}) : one(path.split('/')[2])) : write(method, path, options), own: method !== 'GET'});
  });
  globalThis.Cackle.get = path => call('GET', path).then(data => ({ok: true, json: () => data, headers: {get: () => null}}));
  for (let n = r.below(60); n >= 0; n--) act();
  // The first render may be old by the time it is shown.
  const widget = open(server.page({sort, size: 5}), call, sort);
  heard = server.seq;
  for (let n = r.below(8); n > 0; n--) act();
  const hear = () => {
    if (heard >= server.seq || resetting) return;
    // The log as it is now: scrubbed of what was deleted meanwhile.
    widget.event(structuredClone(server.log[heard++]));
  };
  const answer = async () => {
    const one = asked.find(a => !a.made) || asked[0];
    if (!one) return;
    if (!one.made) one.made = structuredClone(one.make());
    else {
      asked.splice(asked.indexOf(one), 1);
      if (one.made.status || (one.own && losing && r.chance(.2))) one.failed({status: one.made.status || 0, problem: {}});
      else one.done(one.made);
    }
    for (let n = 0; n < 6; n++) await turn();
  };
  let losing = true;
  const own = () => {
    const items = [...widget.items.values()].filter(i => !i.c.pending && !i.c.deleted && !i.going), mine = items.filter(i => i.c.author.id === 'me'), dice = r.below(4);
    if (dice < 2) {
      const to = r.chance(.5) && items.filter(i => i.c.depth < 3).length ? r.of(items.filter(i => i.c.depth < 3)).c.id : null;
      widget.send({key: 'key-' + posts++, parent: to, text: 'x', name: 'me', at: Date.now(), draft: ''});
    } else if (dice < 3 && mine.length) { const one = r.of(mine); widget.erase(one); widget.finish(one); }
    else if (dice < 4) widget.resend();
  };
  // The line could not replay: the page is loaded anew, or, where somebody writes, put together with what is there.
  const reset = () => {
    if (resetting || widget.pauses) return;
    resetting = true;
    const writing = r.chance(.5) && widget.items.size ? r.of([...widget.items.values()]) : null;
    if (writing) writing.form = {};
    widget.reload(server.seq).then(seq => { heard = seq; resetting = false; if (writing) writing.form = null; });
  };
  const click = () => {
    const roots = [...widget.items.values()].filter(i => i.rest);
    if (widget.moreButton && !widget.moreButton.disabled && (r.chance(.7) || !roots.length)) widget.next();
    else if (roots.length) { const one = r.of(roots); widget.replies(one, one.rest); }
  };
  globals.reads = r.chance(.5);
  for (let n = 0; n < steps; n++) {
    const dice = r.below(legacy ? 12 : 14 + (n % 20 === 0));
    if (dice < 4) act();
    else if (dice < 8) hear();
    else if (dice < 9) click();
    else if (dice < 11) await answer();
    else if (dice < 12) widget.flush();
    else if (dice < 14) own();
    else reset();
    if (legacy || asked.length || heard !== server.seq || widget.pauses || resetting || widget.posting()) continue;
    assert.equal(widget.tally.value(), server.visible(), 'the count, all heard');
    // "Show n more replies" is right.
    for (const root of widget.items.values()) {
      if (root.parent || root.c.pending) continue;
      const below = c => c.root === root.c.id && c.id !== root.c.id && !c.pending, known = [...widget.items.values()].filter(i => below(i.c)).length + [...widget.waiting.values()].filter(below).length;
      if (server.rows.has(root.c.id)) assert.equal(root.c.more || 0, Math.max(0, [...server.rows.values()].filter(below).length - known), 'answers not here of ' + root.c.id);
    }
  }
  // Quiet: everything is heard, every page turned, everything sent; what was refused is discarded.
  losing = false;
  for (let n = 0; n < 600; n++) {
    while (heard < server.seq && !resetting) hear();
    widget.resend();
    widget.items.forEach(i => { if (i.c.pending && i.error && i.error.status) widget.remove(i); });
    // A count that is in doubt is asked for.
    while (widget.recounting) await turn();
    if (asked.length) { await answer(); continue; }
    widget.flush();
    if ([...widget.items.values()].some(i => i.rest) || widget.moreButton) {
      const before = calls;
      click();
      await turn();
      if (calls === before) for (let k = 0; k < 6; k++) await turn();
      continue;
    }
    break;
  }
  const shown = [...widget.items.values()].filter(i => !i.c.deleted).map(i => i.c.id).sort(), there = [...server.rows.values()].filter(c => !c.deleted).map(c => c.id).sort();
  assert.deepEqual(shown, there, 'what is shown');
  assert.equal(widget.tally.value(), there.length, 'the count');
  assert.equal(widget.waiting.size, 0);
  const nodes = [], walk = node => node.childNodes.forEach(c => { if (c.id) nodes.push(c.id.slice(3)); walk(c); });
  walk(widget.list);
  assert.equal(new Set(nodes).size, nodes.length, 'nothing twice');
  assert.deepEqual(nodes.sort(), [...widget.items.keys()].sort(), 'the nodes');
  if (sort !== 'best') {
    // One's own stay where they were written.
    const roots = widget.list.childNodes.map(c => c.id.slice(3)).filter(id => server.rows.has(id) && server.rows.get(id).author !== 'me'), sorted = [...roots].sort((a, b) => reckon.laterId(a, b) * (sort === 'old' ? 1 : -1));
    assert.deepEqual(roots, sorted, 'the order');
  }
  assert.ok(calls < 250, `${calls} calls`);
}

const RUNS = +(process.env.RUNS || 100);
for (const sort of ['best', 'new', 'old']) {
  for (const legacy of [false, true]) {
    test(`paging under ${sort}${legacy ? ', before counts were told' : ''}`, async () => {
      for (let seed = 1; seed <= RUNS; seed++) {
        try { await play(seed, {sort, legacy}); } catch (error) { error.message = `seed ${seed}: ${error.message}`; throw error; }
      }
    });
  }
}

test('a vote lifts a comment over the cursor: the next page brings it', async () => {
  const server = new Server();
  for (let n = 0; n < 12; n++) server.post();
  const low = [...server.rows.keys()][0];
  const widget = open(server.page({size: 5}), (method, path) => Promise.resolve(server.page(Object.fromEntries(new URLSearchParams(path.split('?')[1])))));
  const heard = server.seq;
  server.vote(low, 9);
  server.log.slice(heard).forEach(e => widget.event(e));
  const next = async () => { widget.next(); for (let k = 0; k < 12; k++) await turn(); };
  await next();
  assert.ok(widget.items.has(low));
  while (widget.moreButton) await next();
  assert.equal(widget.items.size, 12);
  assert.equal(widget.moreButton, null);
});

test('answers that a page counted already are not counted, nor shown, once more when their events come', async () => {
  globals.reads = false;
  const server = new Server(), roots = [];
  for (let n = 0; n < 6; n++) roots.push(server.post());
  const last = roots[5], heard = server.seq;
  let answer;
  const widget = open(server.page({sort: 'old', size: 5}), () => new Promise(done => { answer = done; }), 'old');
  widget.next();
  await turn();
  // Said before the page was made, heard while it is on its way and after it.
  const answers = [server.post(last), server.post(last), server.post(last)];
  const page = server.page({sort: 'old', size: 5, cursor: widget.cursor});
  widget.event(server.log[heard]);
  widget.event(server.log[heard + 1]);
  answer(page);
  for (let k = 0; k < 12; k++) await turn();
  widget.event(server.log[heard + 2]);
  const below = answers.filter(id => widget.items.has(id));
  assert.deepEqual(below, answers.slice(0, 1), 'what the page had');
  assert.equal(widget.items.get(last).c.more, 2);
  assert.equal(widget.waiting.size, 0);
  // What is said since is new.
  const next = server.post(last);
  widget.event(server.log.at(-1));
  assert.ok(widget.items.has(next));
  assert.equal(widget.items.get(last).c.more, 2);
});

test('a tombstone stays while the server does not say that it is gone, and goes when that is said', async () => {
  const server = new Server(), root = server.post(), child = server.post(root), hidden = server.post(child), shown = server.post(root);
  server.remove(child);
  const widget = open(server.page({sort: 'old', size: 5}), () => new Promise(() => {}), 'old');
  assert.deepEqual([...widget.items.keys()], [root, child]);
  const hear = () => { widget.event(server.log.at(-1)); };
  const own = {key: 'key', parent: root, text: 'x', name: 'me', at: Date.now(), draft: ''};
  widget.send({...own, parent: child});
  widget.remove(widget.items.get('key'));
  assert.ok(widget.items.has(child), 'one that is not here hangs on it');
  server.remove(root);
  hear();
  widget.send(own);
  widget.remove(widget.items.get('key'));
  assert.ok(widget.items.has(root), 'others hang on it');
  server.remove(hidden);
  hear();
  assert.ok(!widget.items.has(child) && widget.items.has(root));
  widget.send(own);
  server.remove(shown);
  hear();
  assert.ok(widget.items.has(root), 'something unsent hangs on it');
  widget.remove(widget.items.get('key'));
  assert.ok(!widget.items.has(root));
});
