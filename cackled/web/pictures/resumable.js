/* A large file sent so that a cut connection costs little (tus 1.0.0): the server is asked how much it has, and the rest
   is sent. Without a page: the request is given. */

/**
 * @typedef {object} Answer
 * @property {number} status 0: no answer came
 * @property {(name: string) => string} header
 * @property {any} body
 */
/** @typedef {(method: string, path: string, headers: Record<string, string>, body?: Blob, progress?: (sent: number) => void) => Promise<Answer>} Ask */

// Milliseconds before each new try in a row that brought nothing.
const WAITS = [0, 1e3, 3e3, 5e3];
const TYPE = 'application/offset+octet-stream';
// Where a file's upload is, so that a later try goes on with it.
/** @type {WeakMap<Blob, string>} */
const places = new WeakMap();

/** Whether going on may help. @param {number} status */
const passing = status => !status || status === 408 || status === 409 || status === 423 || status > 499;

/** A text as the protocol's metadata has it: the Base64 of its UTF-8. @param {string} text */
const coded = text => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

/**
 * Send *blob*; gives the last answer: 200 with the picture as ``media``, or why not.
 * @param {Ask} ask
 * @param {Blob} blob
 * @param {(share: number) => void} progress
 * @param {(milliseconds: number) => Promise<unknown>} sleep
 * @param {object} [more]
 * @param {string} [more.path] where uploads begin
 * @param {string} [more.name] the file's
 * @param {AbortSignal} [more.signal] it is not wanted any more: what the server has of it is removed
 * @returns {Promise<Answer>}
 */
export async function sendInParts(ask, blob, progress, sleep, {path = '/uploads', name = '', signal} = {}) {
  const speak = (/** @type {Record<string, string>} */ more) => ({'Tus-Resumable': '1.0.0', ...more});
  let tries = 0;
  let at = -1;
  const known = () => {
    const place = places.get(blob) || '';
    return place.startsWith(path + '/') ? place : '';
  };
  let anew = !known();
  for (;;) {
    /** @type {Answer} */
    let answer;
    const place = known();
    if (signal && signal.aborted) {
      if (place) await ask('DELETE', place, speak({}));
      places.delete(blob);
      return {status: 0, header: () => '', body: {}};
    }
    if (!place) {
      const told = {'Upload-Length': '' + blob.size, ...(name && {'Upload-Metadata': 'filename ' + coded(name)})};
      answer = await ask('POST', path, speak(told));
      if (answer.status === 201) {
        places.set(blob, path + '/' + answer.header('Location').split('/').pop());
        at = 0;
        continue;
      }
    } else if (at < 0) {
      answer = await ask('HEAD', place, speak({}));
      if (answer.status === 200) {
        at = parseInt(answer.header('Upload-Offset'), 10) || 0;
        continue;
      }
      if ((answer.status === 404 || answer.status === 410) && !anew) {
        // It was not finished in time: once from the beginning.
        anew = true;
        places.delete(blob);
        continue;
      }
    } else if (at < blob.size) {
      const from = at;
      at = -1;
      let most = from;
      answer = await ask(
        'PATCH',
        place,
        speak({'Upload-Offset': '' + from, 'Content-Type': TYPE}),
        from ? blob.slice(from) : blob,
        sent => {
          most = from + sent;
          progress(most / blob.size);
        },
      );
      if (answer.status === 204) {
        at = blob.size;
        tries = 0;
        continue;
      }
      // Something came through.
      if (most > from && passing(answer.status)) tries = Math.min(tries, 1);
    } else {
      answer = await ask('GET', place, {});
      if (answer.status === 200 && answer.body.media) {
        places.delete(blob);
        return answer;
      }
      if (answer.status === 200) at = -1;
    }
    if (signal && signal.aborted) continue;
    if (answer.status !== 200 && !passing(answer.status)) {
      places.delete(blob);
      return answer;
    }
    if (tries >= WAITS.length) return answer;
    await sleep(WAITS[tries]);
    tries++;
  }
}
