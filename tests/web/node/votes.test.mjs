// Votes that cross: one's own on its way, other people's meanwhile, answers that are older than what events have told.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {open} from '../../browser/node/page.mjs';
import {Server} from './server.mjs';

const turn = () => new Promise(done => setImmediate(done));

/** A reader of one comment, and the calls that wait for an answer. */
function reading() {
  const server = new Server(),
    id = server.post(),
    asked = [];
  const call = (method, path, {body}) =>
    new Promise((done, failed) => asked.push({method, path, value: body.value, done, failed}));
  const widget = open(server.page({}), call),
    item = widget.items.get(id);
  let mine = 0;
  return {
    server,
    widget,
    item,
    id,
    asked,
    /** The server takes the vote of a call; its answer is heard later. */
    take(one) {
      server.vote(id, one.value);
      mine = one.value;
      const {up, down} = server.rows.get(id);
      return {id, up, down, score: up - down, value: mine, position: `1/1@${server.seq}`};
    },
    /** Another reader votes; gives the event. */
    other(value) {
      server.vote(id, value);
      return server.log.at(-1);
    },
    hear: event => widget.event(structuredClone(event)),
    shown: () => [item.c.score, widget.votes[id] || 0],
  };
}

test('a vote is shown at once, and stays what the server says', async () => {
  const r = reading();
  r.widget.vote(r.item, 1);
  assert.deepEqual(r.shown(), [1, 1]);
  assert.deepEqual([r.asked.length, r.asked[0].method, r.asked[0].path], [1, 'PUT', `/comments/${r.id}/vote`]);
  r.asked[0].done(r.take(r.asked[0]));
  await turn();
  assert.deepEqual(r.shown(), [1, 1]);
});

test('the same again takes it back', async () => {
  const r = reading();
  r.widget.vote(r.item, 1);
  r.asked[0].done(r.take(r.asked[0]));
  await turn();
  r.widget.vote(r.item, 1);
  assert.deepEqual([r.shown(), r.asked[1].value], [[0, 0], 0]);
});

test('however fast the wishes change, one call is under way, and the last wish is sent after it', async () => {
  const r = reading();
  for (const value of [1, -1, 1, 1, -1]) r.widget.vote(r.item, value);
  // Up, down, up, taken back, down.
  assert.deepEqual(r.shown(), [-1, -1]);
  assert.deepEqual(
    r.asked.map(one => one.value),
    [1],
  );
  r.asked[0].done({id: r.id, up: 1, down: 0, score: 1, position: '1/1@2'});
  await turn();
  assert.deepEqual(
    r.asked.map(one => one.value),
    [1, -1],
  );
  assert.deepEqual(r.shown(), [-1, -1], 'an answer to an older wish moves nothing');
  r.asked[1].done({id: r.id, up: 0, down: 1, score: -1, position: '1/1@3'});
  await turn();
  assert.deepEqual([r.shown(), r.asked.length], [[-1, -1], 2]);
});

test('other people’s votes wait while one’s own is under way, and the newest numbers win', async () => {
  const r = reading();
  r.widget.vote(r.item, 1);
  const answer = r.take(r.asked[0]),
    own = r.server.log.at(-1);
  const later = r.other(2);
  r.hear(own);
  r.hear(later);
  assert.deepEqual(r.shown(), [1, 1], 'no jumping while it is not sure');
  // The answer is older than what was heard since.
  r.asked[0].done(answer);
  await turn();
  assert.deepEqual(r.shown(), [3, 1]);
});

test('an event that comes after its answer changes nothing twice', async () => {
  const r = reading();
  r.widget.vote(r.item, 1);
  const answer = r.take(r.asked[0]),
    own = r.server.log.at(-1);
  r.asked[0].done(answer);
  await turn();
  r.hear(own);
  assert.deepEqual(r.shown(), [1, 1]);
});

test('a refused vote goes back to what is sure, with the votes of others that came meanwhile', async () => {
  const r = reading();
  r.hear(r.other(3));
  r.widget.vote(r.item, -1);
  assert.deepEqual(r.shown(), [2, -1]);
  r.asked[0].failed({status: 403});
  await turn();
  assert.deepEqual(r.shown(), [3, 0]);
  r.widget.vote(r.item, 1);
  r.hear(r.other(1));
  assert.deepEqual(r.shown(), [4, 1]);
  r.asked[1].failed({status: 0});
  await turn();
  assert.deepEqual(r.shown(), [4, 0], 'others: four; one’s own is not among them');
});

test('a wish that was changed meanwhile and is refused goes back to what was taken', async () => {
  const r = reading();
  r.widget.vote(r.item, 1);
  r.widget.vote(r.item, -1);
  r.asked[0].done(r.take(r.asked[0]));
  await turn();
  r.asked[1].failed({status: 503});
  await turn();
  assert.deepEqual(r.shown(), [1, 1]);
});

test('random orders: in the end the page shows what the server has', async () => {
  for (let seed = 1; seed <= 200; seed++) {
    let state = seed * 104729;
    const random = () => (state = (state * 48271) % 2147483647) / 2147483647,
      r = reading(),
      events = [];
    let sure = 0,
      n = 0;
    const answer = async () => {
      const one = r.asked[n++];
      if (random() < 0.2) one.failed({status: 503});
      else {
        r.server.vote(r.id, 0);
        const row = r.server.rows.get(r.id);
        // A vote replaces the one before.
        row.up += (one.value === 1) - (sure === 1);
        row.down += (one.value === -1) - (sure === -1);
        sure = one.value;
        Object.assign(r.server.log.at(-1).data, {up: row.up, down: row.down, score: row.up - row.down});
        const told = {id: r.id, up: row.up, down: row.down, score: row.up - row.down, position: `1/1@${r.server.seq}`};
        events.push(structuredClone(r.server.log.at(-1)));
        if (random() < 0.5) while (events.length) r.hear(events.shift());
        one.done(told);
      }
      await turn();
    };
    for (let step = 0; step < 25; step++) {
      const dice = random();
      if (dice < 0.35) r.widget.vote(r.item, random() < 0.5 ? 1 : -1);
      else if (dice < 0.6) events.push(structuredClone(r.other(1)));
      else if (dice < 0.8 && events.length) r.hear(events.shift());
      else if (r.asked.length > n) await answer();
    }
    while (r.asked.length > n) await answer();
    while (events.length) r.hear(events.shift());
    const {up, down} = r.server.rows.get(r.id);
    assert.deepEqual(r.shown(), [up - down, sure], `seed ${seed}`);
  }
});
