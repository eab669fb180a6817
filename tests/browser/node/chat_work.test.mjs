/* The work that a start costs while a site is flooded is what the server looks for (cackled/products/chat/rush.py). */
import assert from 'node:assert/strict';
import {createHash} from 'node:crypto';
import test from 'node:test';

import './page.mjs';

const {work} = await import('../../../cackled/products/chat/web/work.js');

test('a number whose hash begins with so many zero bits', async () => {
  const salt = 'a1b2c3d4e5f6a1b2c3d4e5f6';
  const [before, number] = (await work({salt, bits: 10})).split('.');
  assert.equal(before, salt);
  const hash = createHash('sha256').update(salt + number).digest();
  assert.equal(hash.readUInt32BE(0) >>> 22, 0);
});

test('what none of our servers asks for is not done', async () => {
  for (const asked of [null, {}, {salt: 5, bits: 3}, {salt: 'a', bits: 60}, {salt: 'a'.repeat(90), bits: 4}, {salt: 'a', bits: 0}])
    assert.equal(await work(asked), '');
});
