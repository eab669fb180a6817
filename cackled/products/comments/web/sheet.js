/* Styles of parts that few pages show. */
import {href, loader, Promise} from '../../../web/lib/loader.js';

/** @type {Record<string, Promise<void>>} */
const coming = {};

/**
 * Puts a style behind those of the widget, and so before the page's own; settles once it is there, or can't be had.
 * @param {string} name
 * @returns {Promise<void>}
 */
export function addSheet(name) {
  const first = loader.styled || document.querySelector('link[href*="/comments.css"]');
  if (!coming[name])
    coming[name] = new Promise(done => {
      const link = Object.assign(document.createElement('link'), {
        rel: 'stylesheet',
        href: href(loader.paths(name)[0]),
        onload: () => done(),
        onerror: () => {
          delete coming[name];
          link.remove();
          done();
        },
      });
      if (first) first.after(link);
      else document.head.prepend(link);
    });
  return coming[name];
}
