/* What only the page's owner can put right: said once each, in the console, with what to do. */
import {loader} from './loader.js';

const said = new Set();
const HELP = ' See docs/embedding.md.';
/** @type {Record<string, (value: any, more?: any) => string>} */
const WORDS = {
  widget: name =>
    (name ? 'there is no widget "' + name + '"' : 'an entry of cackle_widget names no widget') +
    '. Write widget: ' +
    [...Object.keys(loader.config.bundles), ...Object.keys(RARE)].map(n => "'" + n + "'").join(' or ') +
    '.',
  container: id =>
    `there is no element with the id "${id}" in this page. Put <div id="${id}"></div> where the widget belongs, or name another one: container: '..'.`,
  site: id =>
    (id ? `there is no site "${id}" on ${loader.base()}` : 'an entry of cackle_widget has no id') +
    '. Give the number that "cackled admin site list" shows: id: 1.',
  origin: id =>
    `${location.origin} is not among the origins of site ${id}, so the widget can be read here, but nothing can be written. ` +
    `Add it: cackled admin site origins ${id} add ${location.origin}`,
  grant: id =>
    `site ${id} is private, and the grant of this page does not open it, or there is none. Give one of this channel: token: '..'.`,
  statement: (site, why) =>
    `what this page says of its visitor (sso, ssoAuth or remote_auth_s3) does not hold: ${why}. ` +
    `The owner of site ${site} finds more under GET /api/v1/sites/${site}/sso/refusals.`,
  cookieDomain: domain =>
    `no conversation can be shared over ${domain}: cookieDomain has to be this page's host or a domain above it, and no public suffix such as co.uk.`,
  old: what =>
    `this browser lacks ${what}, which the widgets need (Chrome and Edge 111, Firefox 113, Safari 16.2, or newer), or a script of the page has taken it away.`,
};

// Widgets that few pages have: the loader, in which every byte counts, learns of them here.
/** @type {Record<string, string>} */
const RARE = {Login: 'login.js'};

/**
 * A widget that the loader does not know, and we do: a rare one, or one by the name that it had in former versions
 * (Comment2, CommentDiscuss). Its entries are shown then. Gives whether it is one.
 * @param {string} name
 */
function known(name) {
  const {config} = loader;
  const now = name.replace(/(2|Discuss)$/, '');
  const file = Object.prototype.hasOwnProperty.call(RARE, name) && RARE[name];
  if (file) config.bundles[name] = {js: loader.paths(file), css: []};
  else if (now === name || !config.bundles[now]) return false;
  const page = /** @type {any} */ (window);
  const queue = page.cackle_widget;
  queue.forEach((/** @type {any} */ one, /** @type {number} */ at) => {
    if (loader.text(Object(one).widget) === name) queue[at] = {...one, widget: file ? name : now};
  });
  page.Cackle.bootstrap();
  return true;
}

loader.tell = (what, value, more) => {
  if (what === 'widget' && (loader.config.bundles[loader.text(value)] || known(loader.text(value)))) return;
  const text = 'cackled: ' + WORDS[what](value, more) + HELP;
  if (!said.has(text)) console.warn(text);
  said.add(text);
};

/* Whether it's because there is no such site: the first render says so to every page, the API to those of the site alone. */
loader.ask = site => {
  const {bundles} = loader.config;
  const widget = /** @type {string} */ (Object.keys(bundles).find(name => bundles[name].words));
  loader.get('/bootstrap?' + new URLSearchParams({widget, site, channel: 'x', size: '1'})).then(
    answer => {
      if (answer.status === 404 || answer.status === 400) loader.tell('site', site);
    },
    () => {
      // Not reached.
    },
  );
};
