/* Large files sent in parts: cut, gone on with, begun anew, given up. */
import assert from 'node:assert/strict';
import {test} from 'node:test';

import {sendInParts} from '../../../cackled/web/pictures/resumable.js';

const answer = (status, headers = {}, body = {}) => ({status, header: name => headers[name] || '', body});
const created = answer(201, {Location: '/api/v1/sites/1/uploads/abc'});
const whole = answer(200, {}, {media: {id: '1-x'}});
const at = n => answer(200, {'Upload-Offset': '' + n});

/** Answers in this order; notes what was asked. */
async function sent(answers, blob = new Blob(['0123456789']), more = {}) {
  const asked = [];
  const waits = [];
  const shares = [];
  const result = await sendInParts(
    async (method, path, headers, body, progress) => {
      asked.push(method === 'PATCH' ? `PATCH ${headers['Upload-Offset']}+${body.size}` : `${method} ${path}`);
      const next = answers.shift();
      if (next.heard) next.heard(headers);
      if (next.sent) progress(next.sent);
      return next;
    },
    blob,
    share => shares.push(share),
    async ms => waits.push(ms),
    more,
  );
  assert.deepEqual(answers, []);
  return {asked, waits, shares, result};
}

test('begun, sent, and asked for', async () => {
  const {asked, result} = await sent([created, answer(204), whole]);
  assert.deepEqual(asked, ['POST /uploads', 'PATCH 0+10', 'GET /uploads/abc']);
  assert.equal(result.body.media.id, '1-x');
});

test('a cut connection is gone on with where the server says', async () => {
  const {asked, shares, waits} = await sent([created, {...answer(0), sent: 6}, at(5), answer(204), whole]);
  assert.deepEqual(asked, ['POST /uploads', 'PATCH 0+10', 'HEAD /uploads/abc', 'PATCH 5+5', 'GET /uploads/abc']);
  assert.deepEqual([shares, waits], [[0.6], [0]]);
});

test('an answer that was lost costs nothing: all is there', async () => {
  const {asked} = await sent([created, answer(0), at(10), whole]);
  assert.deepEqual(asked.slice(2), ['HEAD /uploads/abc', 'GET /uploads/abc']);
});

test('what brings nothing five times is given up, and a later try goes on', async () => {
  const blob = new Blob(['0123456789']);
  const {waits, result} = await sent([created, ...Array(5).fill(answer(0))], blob);
  assert.deepEqual([waits, result.status], [[0, 1e3, 3e3, 5e3], 0]);
  const {asked} = await sent([at(4), answer(204), whole], blob);
  assert.deepEqual(asked, ['HEAD /uploads/abc', 'PATCH 4+6', 'GET /uploads/abc']);
  await sent([created, ...Array(5).fill(answer(503))], blob);
  const late = await sent([answer(410), created, answer(204), whole], blob);
  assert.equal(late.asked[1], 'POST /uploads');
});

test('a refusal is the end', async () => {
  for (const answers of [[answer(413)], [created, answer(422)], [created, answer(204), answer(403)]]) {
    const {status} = answers[answers.length - 1];
    assert.equal((await sent([...answers])).result.status, status);
  }
});

test('elsewhere, with a name; what was begun at another place is not gone on with', async () => {
  const blob = new Blob(['0123456789']);
  let told = '';
  const begun = {...created, heard: headers => (told = headers['Upload-Metadata'])};
  const {asked} = await sent([begun, answer(204), whole], blob, {path: '/chats/5/uploads', name: 'Größe.pdf'});
  assert.deepEqual(asked, ['POST /chats/5/uploads', 'PATCH 0+10', 'GET /chats/5/uploads/abc']);
  const [key, value] = told.split(' ');
  assert.deepEqual([key, Buffer.from(value, 'base64').toString()], ['filename', 'Größe.pdf']);
  await sent([created, ...Array(5).fill(answer(0))], blob, {path: '/chats/5/uploads'});
  const other = await sent([created, answer(204), whole], blob, {path: '/chats/6/uploads'});
  assert.equal(other.asked[0], 'POST /chats/6/uploads');
});

test('what is not wanted any more is ended, in the middle too', async () => {
  const stop = new AbortController();
  const cut = {...answer(0), sent: 4, heard: () => stop.abort()};
  const {asked, waits, result} = await sent([created, cut, answer(204)], undefined, {signal: stop.signal});
  assert.deepEqual(asked, ['POST /uploads', 'PATCH 0+10', 'DELETE /uploads/abc']);
  assert.deepEqual([waits, result.status], [[], 0]);
});
