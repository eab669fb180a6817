/* Calls to the API in the name of the visitor: bearer session, idempotency keys, time limits, errors as short words. */
import {loader, Promise} from './loader.js';
import {save} from './storage.js';
import {learnClock, serverNow} from './time.js';
import {asObject, toJson} from './values.js';

/** @typedef {ReturnType<typeof openSession>} Session */
/**
 * @typedef {object} CallOptions
 * @property {unknown} [body]
 * @property {string} [key] the idempotency key
 * @property {boolean} [keepalive] it outlives the page
 * @property {boolean} [mine] a GET in the visitor's name
 * @property {number} [timeout] milliseconds
 * @property {string | undefined} [token]
 */

/**
 * A page's own fetch may give, or throw, what it likes; this promises as the browser does.
 * @param {string} url
 * @param {RequestInit} [options]
 */
export const ownFetch = async (url, options) => fetch(url, options);

/** A refused or failed call. */
export class Refused {
  /**
   * @param {number} status 0: the server wasn't reached
   * @param {Record<string, any>} [problem] what the server said (RFC 9457)
   * @param {number} [retry] seconds, when the server gave them
   */
  constructor(status, problem, retry) {
    this.status = status;
    this.problem = problem || {};
    this.retry = retry;
  }
}

/**
 * @param {string} method
 * @param {string} path
 * @param {CallOptions} options
 * @param {number} [tries]
 * @returns {Promise<any>}
 */
async function request(method, path, options, tries = 1) {
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
    learnClock(answer, !reads);
    // It may be this server alone that can't write; what is repeated carries its key.
    if (!reads && answer.status === 503 && tries < loader.config.servers.length) {
      loader.fail(base);
      if (loader.base() !== base) return await request(method, path, options, tries + 1);
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
 * The visitor's session on a site.
 * @param {string} site
 * @param {any} grant of the page, where the site asks for one
 * @param {(() => any) | null} renew gives another grant, or a promise of one; nothing: there is none any more
 * @param {Record<string, any> | null} [said] what the page's server says of its visitor, as the API takes it
 */
export function openSession(site, grant, renew, said) {
  let me = asObject(loader.load(site));
  /** @type {Promise<string> | null} */
  let pending = null;
  /** @type {Promise<any> | null} */
  let renewing = null;
  let renewed = 0;
  /** @type {((visitor: string, person?: Record<string, any>) => void)[]} */
  const listeners = [];
  // Another tab may have written since.
  const recall = () => Object.assign(me, asObject(loader.load(site)));

  /** @param {Record<string, unknown>} values */
  function keep(values) {
    me = {...me, ...asObject(loader.load(site)), ...values};
    save(site, me);
  }

  /** @param {string} path */
  const address = path =>
    '/api/v1/sites/' +
    site +
    path +
    (grant ? (path.indexOf('?') < 0 ? '?' : '&') + 'token=' + encodeURIComponent(grant) : '');

  // By what a session is; whom the site vouched for is nobody once it says nothing.
  const mark = () => (said ? toJson(said) : me.level === 'site' ? 'nobody' : '');
  const stale = () => mark() !== (me.said || '');

  /**
   * @param {string} [known]
   * @param {Record<string, string>} [how] a code from signing in, and its verifier
   * @returns {Promise<string>}
   */
  async function open(known, how) {
    const by = mark();
    const body = how || said || (me.level === 'site' ? {sso: null} : {});
    let s;
    try {
      s = await request('POST', address('/sessions'), {token: known, body});
    } catch (error) {
      const {problem} = /** @type {Refused} */ (error);
      if (how || !/bad-statement$/.test(problem && problem.type)) throw error;
      // On as a guest; the page's owner finds the reason.
      loader.warn('statement', site, problem.reason);
      said = null;
      return open(known);
    }
    const {token, visitor, view, expires, level = null, person = null} = s;
    keep({token, visitor, view, expires, level, person, said: level === 'site' ? by : null});
    listeners.forEach(f => f(visitor, person));
    return token;
  }

  /** @returns {Promise<string>} */
  function token() {
    recall();
    if (me.token && me.expires - serverNow() / 1000 > 30 && !stale()) return Promise.resolve(me.token);
    pending =
      pending ||
      open(me.token)
        .catch(error => {
          if ((error.status !== 401 && error.status !== 403) || !me.token) throw error;
          return open();
        })
        .finally(() => {
          pending = null;
        });
    return pending;
  }

  /** Another grant from the page, asked for once however many want it; not again within 20 s. */
  function another() {
    if (!renew || Date.now() - renewed < 20000) return renewing || Promise.resolve(grant);
    renewed = Date.now();
    return (renewing = Promise.resolve()
      .then(renew)
      .then(given => {
        if (!given) renew = null;
        return (grant = given);
      })
      .catch(error => {
        renewed = 0;
        throw error;
      })
      .finally(() => {
        renewing = null;
      }));
  }

  return {
    // Whether the page's server says otherwise than before.
    stale,
    /** @returns {Record<string, any> | null} who is signed in */
    person: () => me.person || null,
    /** @param {Record<string, string>} how */
    enter: how => open(me.token, how),
    /** Another session of the same visitor. */
    anew: () => {
      keep({expires: 0});
      return token();
    },
    /** Sign out, everywhere. */
    async leave() {
      await this.call('POST', '/me/sign-out');
      keep({token: null, visitor: null, view: null, level: null, person: null, said: null, expires: 0});
    },
    /**
     * @param {string} method
     * @param {string} path below the site
     * @param {CallOptions} [options]
     * @returns {Promise<any>} rejected with `Refused`
     */
    async call(method, path, options) {
      const mine = method !== 'GET' || (options && options.mine);
      /** @type {(() => any)[]} */
      const steps = [];
      // What may have run out: the page's grant, then the session, which the server may also have ended.
      if (grant && renew) steps.push(another);
      if (mine) steps.push(() => keep({expires: 0}));
      for (;;) {
        try {
          return await request(method, address(path), {token: mine ? await token() : undefined, ...options});
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
    },
    open: token,
    /** @returns {string | null} */
    visitor: () => me.visitor || null,
    /** @returns {string | null} what lets a first render show the visitor's own votes */
    view: () => (me.view ? me.visitor + '.' + me.view : null),
    /**
     * @param {string} key
     * @returns {any}
     */
    get: key => recall()[key],
    /** @returns {string} */
    grant: () => grant,
    renew: renew && another,
    /**
     * @param {string} key
     * @param {unknown} value
     */
    set: (key, value) => keep({[key]: value}),
    /** @param {(visitor: string, person?: Record<string, any>) => void} f */
    onopen: f => {
      listeners.push(f);
    },
  };
}
