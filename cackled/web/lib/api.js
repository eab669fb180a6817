/* Calls to the API in the name of the visitor: bearer session, idempotency keys, time limits, errors as short words. */
// @ts-nocheck
import {Promise, loader} from './loader.js';
import {save} from './storage.js';
import {learnClock, serverNow} from './time.js';
import {asObject, toJson} from './values.js';

/* A page's own fetch may give, or throw, what it likes; this promises as the browser does. */
export const ownFetch = async (url, options) => fetch(url, options);

/* A refused or failed call. `status` 0: the server wasn't reached. `retry`: seconds, when the server gave them. */
function Refused(status, problem, retry) {
  this.status = status;
  this.problem = problem || {};
  this.retry = retry;
}

/* renew (optional): a function that gives another grant, or a promise of one; null: there is none any more. */
export const openSession = (site, grant, renew) => {
  var me = asObject(loader.load(site)),
    pending = null,
    renewing = null,
    renewed = 0,
    listeners = [];

  function request(method, path, options, tries) {
    var base = loader.base(),
      control = new AbortController(),
      headers = {},
      timer = setTimeout(() => {
        control.abort();
      }, options.timeout || 15000),
      init;
    if (options.token) headers.Authorization = 'Bearer ' + options.token;
    if (options.key) headers['Idempotency-Key'] = options.key;
    if (options.body) headers['Content-Type'] = 'application/json';
    init = {
      method: method,
      headers: headers,
      signal: control.signal,
      keepalive: !!options.keepalive,
      credentials: 'omit',
      body: options.body && toJson(options.body),
    };
    return (method === 'GET' ? loader.get(path, init) : ownFetch(base + path, init))
      .catch(() => {
        if (method !== 'GET' && !loader.refused) loader.fail(base);
        // Browsers hide answers to pages of origins that the site does not name; the live line was told.
        throw new Refused(loader.refused ? 403 : 0);
      })
      .then(answer => {
        learnClock(answer, method !== 'GET');
        // It may be this server alone that can't write; what is repeated carries its key.
        if (method !== 'GET' && answer.status === 503 && (tries || 1) < loader.config.servers.length) {
          loader.fail(base);
          if (loader.base() !== base) return request(method, path, options, (tries || 1) + 1);
        }
        return answer
          .text()
          .catch(() => {
            throw new Refused(0);
          })
          .then(text => {
            var data = {};
            try {
              data = text ? JSON.parse(text) : {};
            } catch (e) {
              if (answer.ok) throw new Refused(0);
            }
            if (answer.ok) {
              if (loader.wake) loader.wake();
              return data;
            }
            throw new Refused(answer.status, data, parseFloat(answer.headers.get('Retry-After')));
          });
      })
      .finally(() => {
        clearTimeout(timer);
      });
  }

  function keep(values) {
    // Another tab may have written since.
    me = Object.assign({}, me, asObject(loader.load(site)), values);
    save(site, me);
  }

  function address(path) {
    return (
      '/api/v1/sites/' +
      site +
      path +
      (grant ? (path.indexOf('?') < 0 ? '?' : '&') + 'token=' + encodeURIComponent(grant) : '')
    );
  }

  function open(token) {
    return request('POST', address('/sessions'), {token: token, body: {}}).then(s => {
      keep({token: s.token, visitor: s.visitor, view: s.view, expires: s.expires});
      listeners.forEach(f => {
        f(s.visitor);
      });
      return s.token;
    });
  }

  function token() {
    me = Object.assign(me, asObject(loader.load(site)));
    if (me.token && me.expires - serverNow() / 1000 > 30) return Promise.resolve(me.token);
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

  /* Another grant from the page, asked for once however many want it; not again within 20 s. */
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

  function call(method, path, options) {
    var mine = method !== 'GET' || (options && options.mine),
      steps = [];
    // What may have run out: the page's grant, then the session, which the server may also have ended.
    if (grant && renew) steps.push(another);
    if (mine)
      steps.push(() => {
        keep({expires: 0});
      });
    function go() {
      return (mine ? token() : Promise.resolve())
        .then(t => request(method, address(path), Object.assign({token: t}, options)))
        .catch(error => {
          if (error.status !== 401 || !steps.length) throw error;
          return Promise.resolve(steps.shift()()).then(go, () => {
            throw error;
          });
        });
    }
    return go();
  }

  return {
    call: call,
    open: token,
    visitor: () => me.visitor || null,
    view: () => (me.view ? me.visitor + '.' + me.view : null),
    get: key => Object.assign(me, asObject(loader.load(site)))[key],
    grant: () => grant,
    renew: renew && another,
    set: (key, value) => {
      var o = {};
      o[key] = value;
      keep(o);
    },
    onopen: f => {
      listeners.push(f);
    },
  };
};
