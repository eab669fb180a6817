/* Calls to the API in the name of the visitor: bearer session, idempotency keys, time limits, errors as short words. */
(function (Cackle) {
  'use strict';
  /* A refused or failed call. `status` 0: the server wasn't reached. `retry`: seconds, when the server gave them. */
  function Refused(status, problem, retry) {
    this.status = status;
    this.problem = problem || {};
    this.retry = retry;
  }

  Cackle.session = (site, grant) => {
    var me = Cackle.load(site) || {}, pending = null, listeners = [];

    function request(method, path, options, tries) {
      var base = Cackle.base(), control = new AbortController(), headers = {}, timer = setTimeout(() => { control.abort(); }, options.timeout || 15000), init;
      if (options.token) headers.Authorization = 'Bearer ' + options.token;
      if (options.key) headers['Idempotency-Key'] = options.key;
      if (options.body) headers['Content-Type'] = 'application/json';
      init = {method: method, headers: headers, signal: control.signal, credentials: 'omit', body: options.body && JSON.stringify(options.body)};
      return (method === 'GET' ? Cackle.get(path, init) : fetch(base + path, init)).catch(() => {
        if (method !== 'GET' && !Cackle.refused) Cackle.fail(base);
        // Browsers hide answers to pages of origins that the site does not name; the live line was told.
        throw new Refused(Cackle.refused ? 403 : 0);
      }).then(answer => {
        // It may be this server alone that can't write; what is repeated carries its key.
        if (method !== 'GET' && answer.status === 503 && (tries || 1) < Cackle.config.servers.length) {
          Cackle.fail(base);
          if (Cackle.base() !== base) return request(method, path, options, (tries || 1) + 1);
        }
        return answer.text().catch(() => { throw new Refused(0); }).then(text => {
          var data = {};
          try { data = text ? JSON.parse(text) : {}; } catch (e) { if (answer.ok) throw new Refused(0); }
          if (answer.ok) {
            if (Cackle.wake) Cackle.wake();
            return data;
          }
          throw new Refused(answer.status, data, parseFloat(answer.headers.get('Retry-After')));
        });
      }).finally(() => { clearTimeout(timer); });
    }

    function keep(values) {
      // Another tab may have written since.
      me = Object.assign(Cackle.load(site) || me, values);
      Cackle.save(site, me);
    }

    function address(path) {
      return '/api/v1/sites/' + site + path + (grant ? (path.indexOf('?') < 0 ? '?' : '&') + 'token=' + encodeURIComponent(grant) : '');
    }

    function open(token) {
      return request('POST', address('/sessions'), {token: token, body: {}}).then(s => {
        keep({token: s.token, visitor: s.visitor, view: s.view, expires: s.expires});
        listeners.forEach(f => { f(s.visitor); });
        return s.token;
      });
    }

    function token() {
      me = Object.assign(me, Cackle.load(site));
      if (me.token && me.expires - Date.now() / 1000 > 30) return Promise.resolve(me.token);
      pending = pending || open(me.token).catch(error => {
        if (error.status !== 401 && error.status !== 403 || !me.token) throw error;
        return open();
      }).finally(() => { pending = null; });
      return pending;
    }

    function call(method, path, options) {
      options = options || {};
      path = address(path);
      if (method === 'GET' && !options.mine) return request(method, path, options);
      return token().then(t => {
        return request(method, path, Object.assign({token: t}, options));
      }).catch(error => {
        // The session may have been ended on the server: once more with a new one.
        if (error.status !== 401 || options.again) throw error;
        keep({token: null, expires: 0});
        return token().then(t => request(method, path, Object.assign({token: t}, options)));
      });
    }

    return {
      call: call,
      open: token,
      visitor: () => me.visitor || null,
      view: () => me.view ? me.visitor + '.' + me.view : null,
      get: key => me[key],
      renew: token => grant = token,
      set: (key, value) => { var o = {}; o[key] = value; keep(o); },
      onopen: f => { listeners.push(f); }
    };
  };

  /* What to tell the visitor about an error. */
  Cackle.reason = (t, error) => {
    var s = error.status, known = {locked: 'closed', window: 'late', parent: 'gone'}[String((error.problem || {}).type).split('/').pop()];
    if (known) return t(known);
    if (s === 429) return t('fast', {n: Math.max(1, Math.ceil(error.retry || 5))});
    if (s === 0) return t('network');
    if (s === 403) return t('forbidden');
    if (s === 404 || s === 410) return t('gone');
    if (s >= 500) return t('busy');
    return (error.problem && error.problem.detail) || t(s === 409 ? 'late' : 'wrong');
  };
})(window.Cackle);
