/* The visitor signs out where no panel is loaded: what this browser keeps of them goes, and the conversation's token ends. */
import {loader, Promise} from '../../../web/lib/loader.js';

/** @type {any} */ (loader).chatLeave = (/** @type {import('./chat.js').Core} */ core) => {
  const {chat, token} = core.state();
  const nothing = [
    'chat',
    'token',
    'channel',
    'user',
    'profile',
    'identity',
    'attributes',
    'tags',
    'form',
    'muted',
    'open',
  ];
  // The panel has come meanwhile: it does that itself.
  if (core.panel) return;
  core.keep(Object.fromEntries(nothing.map(one => [one, null])));
  try {
    localStorage.removeItem('cackle:chatdraft:' + core.site);
    sessionStorage.removeItem('cackle:chatunsent:' + core.site);
  } catch {
    // Nothing is kept.
  }
  if (!chat) return;
  const end = (pause = 2000) =>
    loader
      .get('/api/v1/sites/' + core.site + '/chats/' + chat + '/logout', {
        method: 'POST',
        headers: {'Content-Type': 'application/json', Authorization: 'Bearer ' + token},
        body: '{}',
        keepalive: true,
      })
      .then(answer => answer.status > 499 && Promise.reject())
      .catch(() => setTimeout(end, pause, Math.min(60000, pause * 2)));
  end();
};
