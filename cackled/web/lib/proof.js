/* Proof of work: finds the number that a challenge of the server hides (`cackled.moderation.challenge`). In slices, so that
   the page stays quick, and on the page's own thread: many pages forbid workers from elsewhere. */

/** @typedef {{salt: string, challenge: string, most: string, signature: string}} Challenge */

// Of a slice, in milliseconds; and more numbers than any of our servers asks for.
const SLICE = 8,
  MOST = 2e6,
  // One block of SHA-256: 64 bytes less the end mark and the length.
  ROOM = 55;

const K = new Int32Array(64),
  H = new Int32Array(8);
/* The constants of SHA-256 (FIPS 180-4, section 4.2.2): the first bits of roots of the first primes. */
{
  let found = 0;
  /** @param {number} root */
  const bits = root => ((root % 1) * 4294967296) | 0;
  for (let n = 2; found < 64; n++) {
    let prime = true;
    for (let d = 2; d * d <= n; d++) if (n % d === 0) prime = false;
    if (!prime) continue;
    if (found < 8) H[found] = bits(Math.sqrt(n));
    K[found++] = bits(Math.cbrt(n));
  }
}

const W = new Int32Array(64);

/**
 * SHA-256 of what fits into one block.
 * @param {Uint8Array} block 64 bytes, of which `length` are the message
 * @param {number} length
 * @returns {Int32Array} eight words
 */
export const sha256 = (block, length) => {
  const out = Int32Array.from(H);
  block.fill(0, length);
  block[length] = 128;
  block[62] = length >> 5;
  block[63] = length << 3;
  for (let t = 0; t < 16; t++)
    W[t] = (block[4 * t] << 24) | (block[4 * t + 1] << 16) | (block[4 * t + 2] << 8) | block[4 * t + 3];
  for (let t = 16; t < 64; t++) {
    const x = W[t - 15],
      y = W[t - 2];
    W[t] =
      (W[t - 16] +
        (((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3)) +
        W[t - 7] +
        (((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10))) |
      0;
  }
  let [a, b, c, d, e, f, g, h] = out;
  for (let t = 0; t < 64; t++) {
    const one =
        (h +
          (((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7))) +
          ((e & f) ^ (~e & g)) +
          K[t] +
          W[t]) |
        0,
      two =
        ((((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10))) +
          ((a & b) ^ (a & c) ^ (b & c))) |
        0;
    h = g;
    g = f;
    f = e;
    e = (d + one) | 0;
    d = c;
    c = b;
    b = a;
    a = (one + two) | 0;
  }
  [a, b, c, d, e, f, g, h].forEach((word, n) => {
    out[n] = (out[n] + word) | 0;
  });
  return out;
};

/**
 * Finds the answer to a challenge: `done` gets it, as `proof` of the call that was refused; `failed` is called where it can't
 * be one of ours.
 * @param {Partial<Challenge>} challenge
 * @param {(proof: string) => void} done
 * @param {() => void} failed
 */
export const solve = (challenge, done, failed) => {
  const {salt, challenge: wanted, signature} = challenge,
    most = Number(challenge.most),
    block = new Uint8Array(64);
  if (
    typeof salt !== 'string' ||
    !/^[\x21-\x7e]{1,47}$/.test(salt) ||
    !/^[0-9a-f]{64}$/.test(String(wanted)) ||
    !(most > 0 && most <= MOST)
  ) {
    failed();
    return;
  }
  for (let n = 0; n < salt.length; n++) block[n] = salt.charCodeAt(n);
  // Most numbers are ruled out by the first word.
  const first = parseInt(String(wanted).slice(0, 8), 16) | 0;
  let number = 0;
  const slice = () => {
    const end = performance.now() + SLICE;
    while (number < most) {
      const digits = String(number);
      for (let n = 0; n < digits.length; n++) block[salt.length + n] = digits.charCodeAt(n);
      const found = sha256(block, Math.min(ROOM, salt.length + digits.length));
      if (found[0] === first) {
        let whole = '';
        found.forEach(word => {
          whole += (word >>> 0).toString(16).padStart(8, '0');
        });
        if (whole === wanted) {
          done(salt + '.' + digits + '.' + signature);
          return;
        }
      }
      number++;
      if (number % 64 === 0 && performance.now() > end) {
        setTimeout(slice);
        return;
      }
    }
    failed();
  };
  slice();
};
