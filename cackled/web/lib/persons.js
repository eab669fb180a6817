/* Who the visitor is, as widgets hear of it: another widget of the page signed in or out, or another tab did. */
import {loader} from './loader.js';
import {asObject} from './values.js';

/**
 * Who is signed in on a site, as the browser remembers it; '' for a guest.
 * @param {string} site
 */
export function whoIs(site) {
  const {level, visitor} = asObject(loader.load(site));
  return level ? level + ':' + visitor : '';
}

/**
 * Calls `changed` each time somebody else is signed in than before.
 * @param {{site: string, listen: (target: EventTarget, type: string, f: (event: any) => void) => void}} w
 * @param {() => void} changed
 */
export function hearWhoComes(w, changed) {
  let was = whoIs(w.site);
  const look = () => {
    const now = whoIs(w.site);
    if (now === was) return;
    was = now;
    changed();
  };
  w.listen(window, 'storage', event => event.key === 'cackle:' + w.site && look());
  w.listen(window, 'cackle:person', event => event.detail === w.site && look());
}
