/* A proactive invitation beside the launcher. */
import {el, icon} from '../../../web/lib/dom.js';
import {loader} from '../../../web/lib/loader.js';
import {asObject} from '../../../web/lib/values.js';

const CROSS = 'M5 5l10 10M15 5L5 15';

/**
 * @param {import('./conversation.js').ChatPanel} w
 * @param {import('./rules.js').Rule} rule
 */
export function drawOffer(w, rule) {
  const {core, t} = w;
  if (core.open || core.state().chat) return;
  const told = {invitation: rule.id, variant: rule.variant || 'a'};
  // Only counted: no visitor is told apart by it.
  const count = (/** @type {string} */ what) =>
    loader
      .get('/api/v1/sites/' + core.site + '/chats/invited', {
        method: 'POST',
        headers: {'Content-Type': 'application/json'},
        body: JSON.stringify({...told, what}),
        keepalive: true,
      })
      .then(null, () => {});
  const name = loader.text(asObject(w.info.greeting).name);
  const shut = el('button.tool.shut', {'aria-label': t('cancel'), onclick: () => bubble.remove()}, icon(CROSS));
  const bubble = el(
    'aside.invite',
    {'aria-label': t('chatShort')},
    el(
      'button.words',
      {
        onclick: () => {
          w.invited = told;
          count('opened');
          core.toggle(true);
        },
      },
      name && el('strong', null, name),
      el('span', {dir: 'auto'}, loader.text(rule.text)),
    ),
    shut,
  );
  w.bubble = bubble;
  core.root.prepend(bubble);
  count('shown');
  core.fire('invitation', {id: rule.id, name: rule.name, variant: told.variant});
}
