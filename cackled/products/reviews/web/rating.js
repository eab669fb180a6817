/* ReviewRating: stars and numbers of many products, by channel or address, 100 of them in one request; and lists of the
   products of a category that are rated best. Where there is no review there are no stars. */
import {stars} from './stars.js';
import {outOf} from './summary_words.js';
import {BadTemplate, template} from './template.js';
import {el} from '../../../web/lib/dom.js';
import {makeWords} from '../../../web/lib/i18n.js';
import {loader} from '../../../web/lib/loader.js';

/** @typedef {import('./template.js').Given} Given */

const MOST = 100;
// A request's head has room for so many characters of channels.
const LONGEST = 4000;
const OURS = '{{?it.numr}}{{=it.stars}} <b>{{=it.rating}}</b> <span>({{=it.numr}})</span>{{?}}';
// Markup of a template becomes these elements with their class, and else text.
const TAG = /<(\/?)(b|i|em|strong|small|sup|span|div)(?: class=["']([\w -]*)["'])?>|<|[^<]+/g;

/** @param {import('../../../web/lib/loader.js').Mounted} widget */
async function mount(widget) {
  const o = widget.options;
  const config = /** @type {any} */ (loader.config);
  const short = widget.lang.slice(0, 2);
  if (config.locales.includes(short) && config.bundles.Review)
    await loader
      .files(config.bundles.Review.words.map((/** @type {string} */ one) => one.replace('*', short)))
      .catch(() => {
        // In English, then.
      });
  const t = makeWords(widget.lang, Object(o.msg), 'reviews');
  /** @param {string} text */
  const made = text => {
    try {
      return template(text);
    } catch (error) {
      if (!(error instanceof BadTemplate)) throw error;
      console.warn('cackle: this template is not one that ReviewRating fills in:', error.message);
      return null;
    }
  };
  const fill = made(loader.text(o.html) || loader.text(o.def) || OURS) || /** @type {any} */ (made(OURS));
  const figure = new Intl.NumberFormat(t.lang, {minimumFractionDigits: 1, maximumFractionDigits: 1});

  /** @param {{count: number, average: number | null, sum?: number}} rated */
  function draw({count, average, sum = 0}) {
    const root = document.createDocumentFragment();
    /** @type {any} */
    let top = root;
    /** @type {Given} */
    const it = {
      stars: average === null ? '' : '*',
      numr: count,
      numv: 0,
      sum,
      rating: average === null ? '' : figure.format(average),
      average: average === null ? 0 : average,
      // Without its number, which templates put beside it.
      reviews: t('reviewCount', {n: count}).replace(t.number(count), '').trim(),
    };
    fill(it).forEach((/** @type {{text: string, name: string, value: any}} */ part) => {
      if (part.name === 'stars') {
        if (average !== null) top.append(stars(average, outOf(t, average)));
      } else if (!part.text) {
        const {value} = part;
        top.append(
          typeof value === 'number' ? t.number(value) : value === undefined || value === false ? '' : '' + value,
        );
      } else
        part.text.replace(TAG, (all, end, name, style) => {
          if (!name) top.append(all);
          else if (end) top = top === root ? root : top.parentNode;
          else {
            const child = document.createElement(name);
            top.append(child);
            top = child;
            if (style) child.className = style;
          }
          return '';
        });
    });
    return root;
  }

  /** @type {Map<string, HTMLElement[]>} by what names the product */
  const places = new Map();
  /** @type {HTMLElement[]} */
  const lists = [];
  const container = loader.text(o.container) || 'mc-review-rating';
  const chosen = [...document.querySelectorAll('.mc-review-rating, .cackle-review-rating, .' + CSS.escape(container))];
  const own = document.getElementById(container);
  if (own && !chosen.includes(own)) chosen.push(own);
  chosen.forEach(one => {
    const node = /** @type {HTMLElement} */ (one);
    const {cackleChannel, cackleUrl, cackleCategory} = node.dataset;
    if (cackleCategory !== undefined) return lists.push(node);
    const named = loader.channel({
      ...o,
      channel: cackleChannel || node.getAttribute('cackle-channel') || (!cackleUrl && o.channel),
      url: cackleUrl || /** @type {any} */ (node).href || o.url,
    });
    const key = named && (named.channel || named.url);
    if (!key) return 0;
    return places.set(key, [...(places.get(key) || []), node]);
  });

  /** @param {HTMLElement} node @param {any} rated */
  function show(node, rated) {
    node.classList.add('mcr-rated');
    node.lang = t.lang;
    node.replaceChildren(draw(rated));
  }
  const path = '/api/v1/sites/' + encodeURIComponent(widget.site || 0) + '/reviews/';
  const grant = loader.text(o.token);
  /** @param {URLSearchParams} query */
  const ask = async (query, name = 'ratings') => {
    if (grant) query.append('token', grant);
    const answer = await loader.get(path + name + '?' + query);
    if (!answer.ok) throw answer;
    return answer.json();
  };
  const keys = [...places.keys()];
  while (keys.length) {
    const query = new URLSearchParams();
    for (let n = 0; n < MOST && keys.length && (!n || ('' + query).length < LONGEST); n++) {
      const key = /** @type {string} */ (keys.shift());
      query.append(/:\/\//.test(key) ? 'url' : 'channel', key);
    }
    ask(query).then(
      ({ratings}) => {
        Object.entries(ratings).forEach(([key, rated]) => (places.get(key) || []).forEach(node => show(node, rated)));
      },
      () => {
        // The places stay as the page wrote them.
        loader.ask && loader.ask(widget.site);
      },
    );
  }
  lists.forEach(node => {
    const {cackleCategory = '', cackleSize = ''} = node.dataset;
    const query = new URLSearchParams({size: '' + Math.min(50, Math.max(1, +cackleSize || 10))});
    if (cackleCategory) query.set('category', cackleCategory);
    ask(query, 'top').then(
      ({products}) => {
        node.lang = t.lang;
        node.replaceChildren(
          el(
            'ol.mcr-top-list',
            null,
            products.map((/** @type {any} */ one) => {
              const title = loader.text(one.title) || one.key;
              return el(
                'li',
                null,
                /^https?:/.test(one.url) ? el('a', {href: one.url, dir: 'auto'}, title) : el('bdi', null, title),
                ' ',
                el('span.mcr-rated', null, draw(one)),
              );
            }),
          ),
        );
      },
      () => {
        // As the page wrote it.
      },
    );
  });
}
loader.widgets.ReviewRating = mount;
