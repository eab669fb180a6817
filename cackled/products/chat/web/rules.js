/* Invitations: when a rule of the site holds, the chat offers itself. Loaded where there are rules; at most one a visit,
   and never over an open chat. */
import {loader} from '../../../web/lib/loader.js';
import {tabStorage} from '../../../web/lib/storage.js';

/** @typedef {{id: string, name?: string, text: string, on?: boolean, address?: string, seconds?: number, pages?: number, referrer?: string, returning?: boolean | null, in_hours?: boolean, countries?: string[], scroll?: number | null, exit?: boolean, other?: string, variant?: string}} Rule */
/** @typedef {{address: string, seconds: number, pages: number, referrer: string, returning: boolean, online: boolean, country: string, scroll: number, exit: boolean}} Visit */

/**
 * Whether an address fits a pattern, in which a star stands for any characters; one without a star has to be part of it.
 * A pattern that begins with a slash is about the path alone.
 * @param {string} pattern
 * @param {string} address
 */
export function fits(pattern, address) {
  const text = (pattern[0] === '/' ? address.replace(/^[a-z]+:\/\/[^/?#]*/i, '') : address).toLowerCase();
  const parts = pattern.toLowerCase().split('*');
  const last = /** @type {string} */ (parts.pop());
  if (!parts.length) return text.includes(last);
  const first = /** @type {string} */ (parts.shift());
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const part of parts) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}

/**
 * Whether a rule holds now.
 * @param {Rule} rule
 * @param {Visit} visit
 */
export const holds = (rule, visit) =>
  rule.on !== false &&
  (!rule.address || fits(rule.address, visit.address)) &&
  visit.seconds >= (rule.seconds || 0) &&
  visit.pages >= (rule.pages || 0) &&
  (!rule.referrer || fits(rule.referrer, visit.referrer)) &&
  (rule.returning == null || rule.returning === visit.returning) &&
  (!rule.in_hours || visit.online) &&
  (!rule.countries || !rule.countries.length || rule.countries.includes(visit.country)) &&
  visit.scroll >= (rule.scroll || 0) &&
  (!rule.exit || visit.exit);

/**
 * @param {import('./chat.js').Core} core
 * @param {Rule[]} rules
 */
function watch(core, rules) {
  const key = 'chatvisit:' + core.site;
  const visit = {pages: 0, since: Date.now(), done: false, ...(tabStorage.get(key) || {})};
  const returning = !!core.state().seen && !visit.pages;
  visit.returning = visit.pages ? visit.returning : returning;
  visit.pages++;
  // Asked only where a rule depends on it: a first render is the same for everybody.
  let country = '';
  if (rules.some(one => one.on !== false && one.countries && one.countries.length))
    loader
      .get('/api/v1/sites/' + core.site + '/chats/place')
      .then(answer => answer.json())
      .then(
        one => (country = loader.text(one.country)),
        () => {},
      );
  core.keep({seen: true}, true);
  tabStorage.set(key, visit);
  let exit = false;
  let asked = false;
  let address = location.href;
  const look = () => {
    if (address !== location.href) {
      address = location.href;
      visit.pages++;
    }
    const {status} = core;
    const whole = document.documentElement.scrollHeight - innerHeight;
    /** @type {Visit} */
    const now = {
      address,
      seconds: (Date.now() - visit.since) / 1000,
      pages: visit.pages,
      referrer: document.referrer,
      returning: visit.returning,
      online: status === 'online',
      country,
      scroll: whole > 0 ? (scrollY / whole) * 100 : 100,
      exit,
    };
    if (asked || visit.done || core.open || core.state().chat || document.hidden) return;
    const rule = rules.find(one => holds(one, now));
    if (!rule) return;
    asked = true;
    // Half of the visits are shown the other text.
    const shown = rule.other && Math.random() < 0.5 ? {...rule, text: rule.other, variant: 'b'} : rule;
    core
      .load()
      .then(() => /** @type {import('./conversation.js').ChatPanel} */ (core.panel).offer(shown))
      .then(
        () => {
          visit.done = true;
          tabStorage.set(key, visit);
          end();
        },
        // Its files did not come: the next look tries again.
        () => (asked = false),
      );
  };
  const timer = setInterval(look, 1000);
  const leaving = (/** @type {MouseEvent} */ event) => {
    if (event.relatedTarget || event.clientY > 0) return;
    exit = true;
    look();
  };
  const end = () => {
    clearInterval(timer);
    document.removeEventListener('mouseout', leaving);
  };
  document.addEventListener('mouseout', leaving);
  if (visit.done) end();
}
/** @type {any} */ (loader).chatRules = watch;
