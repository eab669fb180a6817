/* Three ways to the same messages. */
import {loader} from './loader.js';
import {ownFetch} from './fetching.js';
import {toJson} from './values.js';

/**
 * What a way tells. After close() of the connection, or of this, nothing more is called.
 * @typedef {object} Listener
 * @property {() => void} open
 * @property {(message: any) => void} message
 * @property {(fatal?: number | false) => void} close fatal: the status that was answered, where it makes no sense to ask
 *     again
 */
/** @typedef {{send?: (message: object) => void, close: () => void}} Connection */
/** @typedef {(base: string, positions: string[], tokens: string[], on: Listener) => Connection} Way */

/**
 * @param {string[]} positions
 * @param {string[]} tokens
 */
const query = (positions, tokens) =>
  positions
    .map(p => 'sub=' + encodeURIComponent(p))
    .concat(tokens.map(t => 'token=' + encodeURIComponent(t)))
    .join('&');

/**
 * @param {string} text
 * @param {Listener} on
 */
function parse(text, on) {
  let message;
  try {
    message = JSON.parse(text);
  } catch {
    return;
  }
  on.message(message);
}

/** @type {Way} */
function websocket(base, positions, tokens, on) {
  const socket = new WebSocket(base.replace(/^http/, 'ws') + '/rt/ws?' + query(positions, tokens), 'cackle.v1');
  const timer = setTimeout(() => end(true), 8000);
  let ended = false;
  /** @param {boolean} tell */
  function end(tell) {
    if (ended) return;
    ended = true;
    clearTimeout(timer);
    socket.onopen = socket.onmessage = socket.onerror = socket.onclose = null;
    socket.close();
    if (tell) on.close();
  }
  socket.onopen = () => {
    clearTimeout(timer);
    on.open();
  };
  socket.onmessage = event => {
    if (!ended) parse(event.data, on);
  };
  socket.onerror = socket.onclose = () => end(true);
  return {
    send: message => {
      if (socket.readyState === 1) socket.send(toJson(message));
    },
    close: () => end(false),
  };
}

/** @type {Way} */
function eventsource(base, positions, tokens, on) {
  // Reconnecting is ours: with our own positions, our own jitter and, perhaps, another server.
  const source = new EventSource(base + '/rt/sse?' + query(positions, tokens));
  const timer = setTimeout(() => end(true), 10000);
  let ended = false;
  /** @param {boolean} tell */
  function end(tell) {
    if (ended) return;
    ended = true;
    clearTimeout(timer);
    source.close();
    if (tell) on.close();
  }
  source.onopen = () => {
    clearTimeout(timer);
    on.open();
  };
  source.onmessage = event => {
    if (!ended) parse(event.data, on);
  };
  source.onerror = () => end(true);
  return {close: () => end(false)};
}

/** @type {Way} */
function longpoll(base, positions, tokens, on) {
  const control = new AbortController();
  let opened = false;
  let ended = false;
  /**
   * @param {boolean} tell
   * @param {number | false} [fatal]
   */
  function end(tell, fatal) {
    if (ended) return;
    ended = true;
    control.abort();
    if (tell) on.close(fatal);
  }
  function poll() {
    const timer = setTimeout(() => end(true), 40000);
    // The first question is short: its answer tells that this way is open.
    const url = base + '/rt/poll?' + query(positions, tokens) + '&wait=' + (opened ? 25 : 1);
    ownFetch(url, {credentials: 'omit', signal: control.signal})
      .then(answer => {
        const {status} = answer;
        if (answer.ok) return answer.json();
        end(true, status > 399 && status < 500 && status !== 408 && status !== 429 && status);
        throw answer;
      })
      .then(data => {
        clearTimeout(timer);
        if (ended) return;
        if (!opened) {
          opened = true;
          on.open();
        }
        data.events.forEach((/** @type {any} */ m) => {
          if (!ended) on.message(m);
        });
        if (data.cursor && data.cursor.length) positions = data.cursor;
        if (!ended) poll();
      })
      .catch(() => {
        clearTimeout(timer);
        end(true);
      });
  }
  poll();
  return {close: () => end(false)};
}

/** By name; those that the browser has. */
export const transports = /** @type {Record<string, Way | undefined>} */ ({
  ws: window.WebSocket && websocket,
  sse: window.EventSource && eventsource,
  poll: longpoll,
});
// Pages may look which way is in use.
/** @type {any} */ (loader).transports = transports;
