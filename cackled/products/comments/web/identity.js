/* Who the visitor is: what the page's server says, signing in and out, and the invitation where that is needed. */
// @ts-nocheck
import {Comments, lateStyle} from './widget.js';
import {el} from '../../../web/lib/dom.js';
import {loader} from '../../../web/lib/loader.js';
import {asObject} from '../../../web/lib/values.js';

const P = Comments.prototype;

/* The page's server says somebody else than before, or somebody comes back from signing in. */
P.come = function () {
  const self = this,
    code = /^#cackle-signin=([\w-]{20,99})$/.exec(location.hash);
  if (code) this.people(people => people.comeBack(self.host(), code[1]));
  else if (this.session.stale()) {
    const was = this.session.visitor();
    this.session.open().then(
      () => {
        if (self.session.visitor() !== was) self.anew();
      },
      () => {},
    );
  }
  // Another tab signed in, or out.
  const level = this.session.get('level') || '';
  this.listen(window, 'storage', event => {
    if (event.key === 'cackle:' + self.site && (asObject(loader.load(self.site)).level || '') !== level) self.anew();
  });
};
P.people = function (f) {
  import('../../../web/people/people.js').then(f, () => this.notice(this.t('network')));
};
P.profile = function (anchor, author) {
  this.people(people => people.openProfile(this.host(), anchor, author, one => this.badge(one)));
};
/* What signing in needs of the widget. */
P.host = function () {
  return {
    site: this.site,
    session: this.session,
    t: this.t,
    times: this.times,
    leave: () => this.keep(),
    done: () => this.anew(),
    trouble: error => this.notice(this.t(error && error.status ? 'wrong' : 'network')),
  };
};
/* All of it once more, as somebody else; drafts are kept. */
P.anew = function () {
  if (this.closed) return;
  const widget = this.widget;
  this.keep();
  widget.ask.sort = this.sort;
  widget.first = loader.get(this.address());
  widget.first.catch(() => {});
  this.node.style.minHeight = this.node.offsetHeight + 'px';
  loader.widgets.Comment(widget);
};
P.ways = function (event) {
  const self = this,
    o = this.o,
    own = [],
    sso = asObject(o.sso),
    other = asObject(o.ssoProvider),
    login = loader.text(other.url || sso.loginURL);
  if (login)
    own.push({
      label: loader.text(other.name) || this.t('bySite'),
      open: () => {
        const size = 'popup,width=' + (+other.width || 480) + ',height=' + (+other.height || 640),
          popup = other.url && window.open(login, 'cackle-sso', size);
        self.keep();
        if (!popup) return location.assign(login);
        // The site's own page signs in; what it says of its visitor then is in the page when it is loaded again.
        const timer = setInterval(() => {
          if (!popup.closed) return;
          clearInterval(timer);
          location.reload();
        }, 500);
      },
    });
  else if (typeof sso.loginCallback === 'function')
    own.push({label: this.t('bySite'), open: () => sso.loginCallback(() => self.anew())});
  this.people(people => people.openWays(this.host(), event.target.closest('.mc-signin'), own));
};
P.signOut = function () {
  const sso = asObject(this.o.sso);
  this.session.leave().then(
    () => {
      this.fire('logout', {});
      if (typeof sso.logoutCallback === 'function') sso.logoutCallback();
      else if (loader.text(sso.logoutURL)) return location.assign(loader.text(sso.logoutURL));
      this.anew();
    },
    () => this.notice(this.t('network')),
  );
};
/* Only for people who signed in, or for some of them. */
P.invite = function (problem) {
  this.settings = {signIn: true};
  this.node.style.minHeight = '';
  this.widget.held = false;
  lateStyle();
  const known = /sign-in-first$/.test(problem.type);
  this.bar = el('div.mc-bar', {role: 'status'});
  this.node.replaceChildren(
    el('div.mc-empty.mc-invite', null, el('div', null, this.t(known ? 'toRead' : 'noGroup')), this.signButton(true)),
    this.bar,
  );
  this.come();
};
