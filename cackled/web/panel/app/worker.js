// The panel's worker: it shows what is pushed, and brings whoever taps it to the chat. It keeps nothing and fetches nothing.

/** A worker's own self, which has more than a window's. @type {any} */
const worker = globalThis;
const {clients} = worker;

worker.addEventListener('install', () => worker.skipWaiting());
worker.addEventListener('activate', (/** @type {any} */ event) => event.waitUntil(clients.claim()));

/** An address of the panel, whatever a message says. @param {unknown} to */
const inside = to => {
  const url = new URL(typeof to === 'string' ? to : '/panel/chat', worker.location.origin);
  return url.origin === worker.location.origin && url.pathname.startsWith('/panel/') ? url.href : '/panel/chat';
};

worker.addEventListener('push', (/** @type {any} */ event) => {
  /** @type {any} */
  let told = {};
  try {
    told = event.data.json();
  } catch {
    // Something came that says nothing: the chat is shown.
  }
  const {title = 'cackled', body = '', tag = 'chat', to} = told;
  const options = {body, tag, icon: '/panel/icon.svg', data: {to: inside(to)}};
  event.waitUntil(worker.registration.showNotification(title, options));
});

worker.addEventListener('notificationclick', (/** @type {any} */ event) => {
  event.notification.close();
  const to = inside(event.notification.data && event.notification.data.to);
  event.waitUntil(
    clients.matchAll({type: 'window'}).then((/** @type {any[]} */ all) => {
      const open = all.find(one => new URL(one.url).pathname.startsWith('/panel/'));
      return open ? open.focus().then(() => open.navigate(to)) : clients.openWindow(to);
    }),
  );
});
