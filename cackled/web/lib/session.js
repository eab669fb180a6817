/* The visitor's session on a site: what is remembered of it. How it is opened, and what it calls, is in calls.js, which
   comes when it is first needed. */
import {loader} from './loader.js';
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
 * What calls.js works on.
 * @typedef {object} Own
 * @property {string} site
 * @property {any} grant of the page, where the site asks for one
 * @property {(() => any) | null} renew gives another grant, or a promise of one; nothing: there is none any more
 * @property {Record<string, any> | null} said what the page's server says of its visitor, as the API takes it
 * @property {Record<string, any>} me what is stored
 * @property {((visitor: string, person?: Record<string, any>) => void)[]} listeners
 * @property {() => void} recall reads what another tab may have stored since
 * @property {(values: Record<string, unknown>) => void} keep
 * @property {() => string} mark by what a session is; 'nobody': whom the site vouched for, once it says nothing
 * @property {() => boolean} stale
 * @property {typeof learnClock} learnClock
 * @property {typeof serverNow} serverNow
 */

/**
 * @param {string} site
 * @param {any} grant of the page, where the site asks for one
 * @param {(() => any) | null} renew gives another grant, or a promise of one; nothing: there is none any more
 * @param {Record<string, any> | null} [said] what the page's server says of its visitor, as the API takes it
 */
export function openSession(site, grant, renew, said) {
  /** @type {Own} */
  const own = {
    site,
    grant,
    renew,
    said: said || null,
    me: asObject(loader.load(site)),
    listeners: [],
    recall: () => Object.assign(own.me, asObject(loader.load(site))),
    keep: values => {
      own.me = {...own.me, ...asObject(loader.load(site)), ...values};
      save(site, own.me);
    },
    mark: () => (own.said ? toJson(own.said) : own.me.level === 'site' ? 'nobody' : ''),
    stale: () => own.mark() !== (own.me.said || ''),
    learnClock,
    serverNow,
  };
  /** @type {ReturnType<typeof import('./calls.js').callsOf> | undefined} */
  let calls;

  /** What can call. Where it can't be fetched, it is as if the server could not be reached; the next call tries again. */
  async function reach() {
    try {
      const {callsOf} = await import('./calls.js');
      return (calls = calls || callsOf(own));
    } catch {
      throw {status: 0, problem: {}};
    }
  }

  return {
    reach,
    // Whether the page's server says otherwise than before.
    stale: own.stale,
    /** @returns {Record<string, any> | null} who is signed in */
    person: () => own.me.person || null,
    /** @param {Record<string, string>} how */
    enter: async how => (await reach()).enter(how),
    /** Another session of the same visitor. */
    anew: async () => (await reach()).anew(),
    /** Sign out, everywhere. */
    leave: async () => (await reach()).leave(),
    /**
     * @param {string} method
     * @param {string} path below the site
     * @param {CallOptions} [options]
     * @returns {Promise<any>} rejected with `Refused`
     */
    call: async (method, path, options) => (calls || (await reach())).call(method, path, options),
    /** @returns {Promise<string>} the token */
    open: async () => (calls || (await reach())).open(),
    /** @returns {string | null} */
    visitor: () => own.me.visitor || null,
    /** @returns {string | null} what lets a first render show the visitor's own votes */
    view: () => (own.me.view ? own.me.visitor + '.' + own.me.view : null),
    /**
     * @param {string} key
     * @returns {any}
     */
    get: key => {
      own.recall();
      return own.me[key];
    },
    /** @returns {string} */
    grant: () => own.grant,
    renew: renew && (async () => (await reach()).another()),
    /**
     * @param {string} key
     * @param {unknown} value
     */
    set: (key, value) => own.keep({[key]: value}),
    /** @param {(visitor: string, person?: Record<string, any>) => void} f */
    onopen: f => {
      own.listeners.push(f);
    },
  };
}
