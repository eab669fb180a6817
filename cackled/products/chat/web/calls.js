/* What the page's own code says of its visitor and where they are: calls of `Cackle.Chat` that no visitor waits for. */
import {loader} from '../../../web/lib/loader.js';
import {asObject} from '../../../web/lib/values.js';

/** @typedef {import('./conversation.js').ChatPanel} ChatPanel */

/**
 * @param {ChatPanel} w
 * @param {any[]} call its name, and what it gave
 */
export function callPage(w, [name, one, two, three]) {
  const {core, duty} = w;
  const kept = () => core.state();
  const text = loader.text(one);
  const attributes = (/** @type {Record<string, string | null>} */ more) => {
    core.keep({attributes: {...asObject(kept().attributes), ...more}}, true);
    duty.visit();
  };
  if (name === 'identify') {
    const before = kept().user;
    if (before && before !== text && kept().chat) w.forget();
    core.keep({user: text, profile: asObject(two), identity: loader.text(three)}, true);
    w.form = null;
    w.asked = '';
    duty.visit();
    w.draw();
  } else if (name === 'logout' || name === 'reset') {
    core.keep({user: null, profile: null, identity: null, attributes: null, tags: null, form: null, muted: null}, true);
    // The token ends, in whatever tab or copy it is.
    if (name === 'logout' && kept().chat) w.call1('POST', '/logout', {body: {}}).catch(() => {});
    w.store.pending = [];
    w.keepUnsent();
    w.field.value = '';
    w.draft.drop();
    w.forget();
  } else if (name === 'setAttributes')
    attributes(
      Object.fromEntries(
        Object.entries(asObject(one)).map(([key, value]) => [key.slice(0, 60), loader.text(value).slice(0, 200)]),
      ),
    );
  // The server is told that it goes.
  else if (name === 'deleteAttribute') attributes({[text]: null});
  else if (name === 'addTag' || name === 'removeTag') {
    const tags = new Set(/** @type {string[]} */ (kept().tags || []));
    if (name === 'addTag' && text) tags.add(text);
    else tags.delete(text);
    core.keep({tags: [...tags]}, true);
    duty.visit();
  } else if (name === 'trackEvent')
    attributes({event: text + (two == null ? '' : ' ' + (loader.text(two) || JSON.stringify(two)))});
  else if (name === 'setPage') duty.at(text ? {url: text, title: loader.text(two)} : null);
  else if (name === 'setDepartment') {
    core.keep({department: text}, true);
    w.draw();
  } else if (name === 'setTheme') {
    core.options.theme = text;
    duty.theme();
  }
}

/**
 * Another language: once its words are there, a panel that has them.
 * @param {ChatPanel} w
 */
export function speakAnew(w) {
  const {core} = w;
  const short = core.lang.slice(0, 2);
  const anew = () => {
    if (core.panel !== w) return;
    w.end();
    const panel = (core.panel = /** @type {any} */ (loader).chatPanel(core));
    if (core.open) panel.show(true);
  };
  if (loader.config.locales.includes(short)) w.late(() => loader.lazy('chatwords-' + short + '.js')).then(anew);
  else anew();
}
