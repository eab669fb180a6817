"""The service worker for push messages. A file of one line of the site's own origin imports it, as it has to."""

from __future__ import annotations

# Everything in a message was written by us; and yet only web addresses are opened.
SCRIPT = """\
/* cackled: push messages of comments. Import it in a file of your own origin:
   importScripts('https://comments.example/notices/push.js') */
'use strict';
(() => {
  const web = url => (/^https?:\\/\\//.test(url) ? url : '/');
  self.addEventListener('push', event => {
    let told = {};
    try {
      told = event.data.json();
    } catch {
      return;
    }
    const {title, body, url, tag, lang, dir} = told;
    if (typeof title !== 'string' || typeof tag !== 'string' || tag.indexOf('cackled-')) return;
    event.waitUntil(
      self.registration.showNotification(title, {body, tag, lang, dir, renotify: true, data: {cackled: web(url)}}),
    );
  });
  self.addEventListener('notificationclick', event => {
    const url = event.notification.data && event.notification.data.cackled;
    if (!url) return;
    event.notification.close();
    event.waitUntil(
      self.clients.matchAll({type: 'window'}).then(all => {
        const open = all.find(one => one.url.split('#')[0] === url.split('#')[0]);
        if (!open) return self.clients.openWindow(url);
        return open.focus().then(one => ('navigate' in one ? one.navigate(url) : one));
      }),
    );
  });
})();
"""
