/* Work that a start of a conversation costs while a site is flooded: a number for which SHA-256 of a salt and it begins
   with so many zero bits. In slices, so that the page stays quick. */
import {Promise} from '../../../web/lib/loader.js';
import {sha256} from '../../../web/lib/proof.js';

// Of a slice, in milliseconds; and more bits than any of our servers asks for.
const SLICE = 8;
const MOST = 24;
// One block of SHA-256: 64 bytes less the end mark and the length.
const ROOM = 55;

/**
 * @param {any} asked
 * @returns {Promise<string>} the salt and the number, as the server takes them; '' where what is asked is none of ours
 */
export function work(asked) {
  const {salt, bits} = Object(asked);
  if (typeof salt !== 'string' || !/^[\x21-\x7e]{1,43}$/.test(salt) || !(bits > 0 && bits <= MOST))
    return Promise.resolve('');
  const block = new Uint8Array(64);
  for (let n = 0; n < salt.length; n++) block[n] = salt.charCodeAt(n);
  let number = 0;
  return new Promise(done => {
    const slice = () => {
      const end = performance.now() + SLICE;
      for (;;) {
        const digits = '' + number;
        for (let n = 0; n < digits.length; n++) block[salt.length + n] = digits.charCodeAt(n);
        const [first] = sha256(block, Math.min(ROOM, salt.length + digits.length));
        if (first >>> (32 - bits) === 0) return done(salt + '.' + digits);
        number++;
        if (number % 64 === 0 && performance.now() > end) return setTimeout(slice);
      }
    };
    slice();
  });
}
