/* Calls to the API in the name of the visitor: bearer session, idempotency keys, time limits, errors as short words.
   Fetched when a session first calls; all widgets of a page share it. */
import {ownFetch, Refused} from './fetching.js';
import {loader, Promise} from './loader.js';
import {toJson} from './values.js';

/** @typedef {import('./session.js').CallOptions} CallOptions */
/** @typedef {import('./session.js').Own} Own */

/**
 * @param {Own} own
 * @param {string} method
 * @param {string} path
 * @param {CallOptions} options
 * @param {number} [tries]
 * @returns {Promise<any>}
 */
async function request(own, method, path, options, tries = 1) {
  const reads = method === 'GET';
  const base = loader.base();
  const control = new AbortController();
  const timer = setTimeout(() => control.abort(), options.timeout || 15000);
  /** @type {Record<string, string>} */
  const headers = {};
  if (options.token) headers.Authorization = 'Bearer ' + options.token;
  if (options.key) headers['Idempotency-Key'] = options.key;
  if (options.body) headers['Content-Type'] = 'application/json';
  /** @type {RequestInit} */
  const init = {
    method,
    headers,
    signal: control.signal,
    keepalive: !!options.keepalive,
    credentials: 'omit',
    body: /** @type {string} */ (options.body && toJson(options.body)),
  };
  try {
    let answer;
    try {
      answer = await (reads ? loader.get(path, init) : ownFetch(base + path, init));
    } catch {
      if (!reads && !loader.refused) loader.fail(base);
      // Browsers hide answers to pages of origins that the site does not name; the live line was told.
      throw new Refused(loader.refused ? 403 : 0);
    }
    own.learnClock(answer, !reads);
    // It may be this server alone that can't write; what is repeated carries its key.
    if (!reads && answer.status === 503 && tries < loader.config.servers.length) {
      loader.fail(base);
      if (loader.base() !== base) return await request(own, method, path, options, tries + 1);
    }
    let data = {};
    let text;
    try {
      text = await answer.text();
    } catch {
      throw new Refused(0);
    }
    try {
      data = text ? JSON.parse(text) : {};
    } catch {
      if (answer.ok) throw new Refused(0);
    }
    if (!answer.ok) {
      throw new Refused(answer.status, data, parseFloat(/** @type {string} */ (answer.headers.get('Retry-After'))));
    }
    if (loader.wake) loader.wake();
    return data;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * What a session calls with.
 * @param {Own} own
 */
export function callsOf(own) {
  /** @type {Promise<string> | null} */
  let pending = null;
  /** @type {Promise<any> | null} */
  let renewing = null;
  let renewed = 0;

  /** @param {string} path */
  const address = path =>
    '/api/v1/sites/' +
    own.site +
    path +
    (own.grant ? (path.indexOf('?') < 0 ? '?' : '&') + 'token=' + encodeURIComponent(own.grant) : '');

  /**
   * @param {string} [known]
   * @param {Record<string, string>} [how] a code from signing in, and its verifier
   * @returns {Promise<string>}
   */
  async function start(known, how) {
    const by = own.mark();
    const body = how || own.said || (own.me.level === 'site' ? {sso: null} : {});
    let s;
    try {
      s = await request(own, 'POST', address('/sessions'), {token: known, body});
    } catch (error) {
      const {problem} = /** @type {Refused} */ (error);
      if (how || !/bad-statement$/.test(problem && problem.type)) throw error;
      // On as a guest; the page's owner finds the reason.
      loader.warn('statement', own.site, problem.reason);
      own.said = null;
      return start(known);
    }
    const {token, visitor, view, expires, level = null, person = null} = s;
    own.keep({token, visitor, view, expires, level, person, said: level === 'site' ? by : null});
    own.listeners.forEach(f => f(visitor, person));
    return token;
  }

  /** @returns {Promise<string>} the token */
  function open() {
    own.recall();
    const {token, expires} = own.me;
    if (token && expires - own.serverNow() / 1000 > 30 && !own.stale()) return Promise.resolve(token);
    pending =
      pending ||
      start(token)
        .catch(error => {
          if ((error.status !== 401 && error.status !== 403) || !own.me.token) throw error;
          return start();
        })
        .finally(() => {
          pending = null;
        });
    return pending;
  }

  /** Another grant from the page, asked for once however many want it; not again within 20 s. */
  function another() {
    if (!own.renew || Date.now() - renewed < 20000) return renewing || Promise.resolve(own.grant);
    renewed = Date.now();
    return (renewing = Promise.resolve()
      .then(own.renew)
      .then(given => {
        if (!given) own.renew = null;
        return (own.grant = given);
      })
      .catch(error => {
        renewed = 0;
        throw error;
      })
      .finally(() => {
        renewing = null;
      }));
  }

  /**
   * @param {string} method
   * @param {string} path below the site
   * @param {CallOptions} [options]
   * @returns {Promise<any>} rejected with `Refused`
   */
  async function call(method, path, options) {
    const mine = method !== 'GET' || (options && options.mine);
    /** @type {(() => any)[]} */
    const steps = [];
    // What may have run out: the page's grant, then the session, which the server may also have ended.
    if (own.grant && own.renew) steps.push(another);
    if (mine) steps.push(() => own.keep({expires: 0}));
    for (;;) {
      try {
        return await request(own, method, address(path), {token: mine ? await open() : undefined, ...options});
      } catch (error) {
        const step = /** @type {Refused} */ (error).status === 401 && steps.shift();
        if (!step) throw error;
        try {
          await step();
        } catch {
          throw error;
        }
      }
    }
  }

  return {
    another,
    call,
    open,
    /** @param {Record<string, string>} how */
    enter: how => start(own.me.token, how),
    anew: () => {
      own.keep({expires: 0});
      return open();
    },
    async leave() {
      await call('POST', '/me/sign-out');
      own.keep({token: null, visitor: null, view: null, level: null, person: null, said: null, expires: 0});
    },
  };
}
