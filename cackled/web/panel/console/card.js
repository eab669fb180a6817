// The visitor's card: where they are, how they came, what is known of them, and what they wrote elsewhere.
import {html} from '../libraries.js';
import {get} from '../api.js';
import {address} from '../router.js';
import {may} from '../session.js';
import {useLoad} from '../ui/load.js';
import {Mark, When} from '../ui/parts.js';
import {number, t} from '../words.js';
import {read} from './agent.js';
import {REASONS} from './deeds.js';
import {time} from './kinds.js';
import {naming, plainTime, span, useNow} from './parts.js';

/** A link to a page of the site; nothing but the web. @param {{page: any}} props */
function PageLink({page}) {
  const url = String(page?.url || '');
  const words = page?.title || url.replace(/^https?:\/\//, '');
  if (!/^https?:\/\//i.test(url)) return html`<bdi>${words || '–'}</bdi>`;
  return html`<a href=${url} title=${url} target="_blank" rel="noopener noreferrer nofollow"><bdi>${words}</bdi></a>`;
}

/** Pairs of name and value; those without a value are left out. @param {{rows: [string, any][]}} props */
function Pairs({rows}) {
  const there = rows.filter(([, value]) => value !== null && value !== undefined && value !== '' && value !== false);
  if (!there.length) return null;
  return html`<dl class="card-pairs">
    ${there.map(
      ([name, value]) =>
        html`<div key=${name}>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`;
}

/** @param {any} value */
const text = value =>
  typeof value === 'string' || typeof value === 'number'
    ? String(value)
    : typeof value === 'boolean'
      ? t(value ? 'yes' : 'no')
      : JSON.stringify(value);

/** @param {any} place */
function placeWords(place) {
  if (!place) return '';
  if (typeof place === 'string') return /^[A-Za-z]{2}$/.test(place) ? naming('region', place.toUpperCase()) : place;
  return [place.city, place.region, place.country && naming('region', String(place.country).toUpperCase())]
    .filter(Boolean)
    .join(', ');
}

const TIMES = ['wait', 'first_response', 'reply', 'longest', 'resolution'];

/** How it went: the figures of reports, of this chat alone. @param {{quality: any}} props */
function Quality({quality}) {
  if (!quality) return null;
  const {reason} = quality;
  return html`<details>
    <summary>${t('chat.quality')}</summary>
    <${Pairs}
      rows=${[
        ...TIMES.map(one => [
          t(one === 'longest' ? 'chat.quality.longest' : `chat.figure.${one}`),
          typeof quality[one] === 'number' ? span(quality[one]) : '',
        ]),
        [t('chat.quality.said'), `${number(quality.visitor)} / ${number(quality.operator)}`],
        [t('chat.operators'), quality.operators.length > 0 && html`<bdi>${quality.operators.join(', ')}</bdi>`],
        [t('chat.close.reason'), reason && (REASONS.includes(reason) ? t(`chat.reason.${reason}`) : reason)],
      ]}
    />
  </details>`;
}

/** @param {{work: import('./work.js').Work, talk: import('./talk.js').Talk, deeds: any, onBack: () => void}} props */
export function Card({work, talk, deeds, onBack}) {
  const chat = talk.chat.value;
  const card = talk.card.value || {};
  const begun = time(card.since || card.arrived || chat?.created);
  const here = chat?.state !== 'closed' && card.here !== false;
  const now = useNow(here && !!begun);
  const done = useLoad(async () => {
    const found = await get(`${work.calls.base}/${encodeURIComponent(talk.id)}/activity`);
    return {of: talk.id, products: found.products};
  }, [talk.id]);
  if (!chat) return html`<aside class="visitor" aria-label=${t('chat.card')}></aside>`;
  // The newest page first.
  const trail = [...(card.trail || [])].reverse();
  const agent = read(String(card.agent || ''));
  const past = (card.past || card.chats || []).filter((/** @type {any} */ one) => one.id !== talk.id);
  const products = /** @type {any[]} */ (done.value?.of === talk.id ? done.value.products : []);
  const fields = Object.entries(card.fields || {});
  const attributes = Object.entries(card.attributes || {});
  const tags = card.tags || [];
  return html`<aside class="visitor" aria-label=${t('chat.card')}>
    <header>
      <button type="button" class="icon back" aria-label=${t('chat.back')} onClick=${onBack}>‹</button>
      <h2><bdi>${chat.visitor?.name || t('guest')}</bdi></h2>
      ${chat.visitor?.verified || card.verified ? html`<${Mark} kind="good">${t('chat.verified')}<//>` : html`<${Mark}>${t('chat.unverified')}<//>`}
    </header>
    <section>
      <h3>${t('chat.card.now')}</h3>
      <p class="break"><${PageLink} page=${card.page || trail[0]} /></p>
      <${Pairs}
        rows=${[
          [t('chat.card.time'), begun && here ? plainTime((now - begun) / 1000) : ''],
          [t('chat.card.referrer'), card.referrer && html`<bdi class="break">${card.referrer}</bdi>`],
          [t('chat.card.place'), placeWords(card.place || chat.visitor?.country)],
          [
            t('chat.card.language'),
            (card.language || chat.visitor?.language) && naming('language', card.language || chat.visitor?.language),
          ],
          [t('chat.card.zone'), card.zone || card.time_zone],
          [t('chat.card.device'), agent.system],
          [t('chat.card.browser'), agent.browser],
          [t('chat.card.visits'), typeof card.visits === 'number' ? number(card.visits) : ''],
          [t('email'), card.mail && html`<a href=${`mailto:${card.mail}`}><bdi>${card.mail}</bdi></a>`],
          [t('chat.card.address'), card.address && html`<bdi class="code">${card.address}</bdi>`],
        ]}
      />
    </section>
    ${
      trail.length > 0 &&
      html`<details open>
        <summary>${t('chat.card.trail')}</summary>
        <ol class="trail">
          ${trail.slice(0, 20).map((/** @type {any} */ one, /** @type {number} */ n) => html`<li key=${n}><${PageLink} page=${one} /> ${one.at && html`<span class="muted"><${When} at=${one.at} /></span>`}</li>`)}
        </ol>
      </details>`
    }
    ${
      fields.length > 0 &&
      html`<details open>
        <summary>${t('chat.card.fields')}</summary>
        <${Pairs}
          rows=${fields.map(([name, value]) => [name, html`<span class="break" dir="auto">${text(value)}</span>`])}
        />
      </details>`
    }
    ${
      (attributes.length > 0 || tags.length > 0) &&
      html`<details open>
        <summary>${t('chat.card.attributes')}</summary>
        <${Pairs}
          rows=${attributes.map(([name, value]) => [name, html`<span class="break" dir="auto">${text(value)}</span>`])}
        />
        <p class="row">${tags.map((/** @type {string} */ one) => html`<${Mark} key=${one}>${one}<//>`)}</p>
      </details>`
    }
    <section>
      <h3>${t('chat.card.labels')}</h3>
      <p class="row">
        ${(chat.labels || []).map(one => html`<a key=${one} class="mark label" href=${address(`/sites/${work.site}/chat`, {list: 'all', label: one})}>${one}</a>`)}
        <button type="button" class="link" onClick=${() => deeds.open('labels')}>${t('change')}</button>
      </p>
    </section>
    ${
      chat.rating &&
      html`<section>
        <h3>${t('chat.card.rating')}</h3>
        <p>
          ${'★'.repeat(chat.rating.score)}${'☆'.repeat(5 - chat.rating.score)}
          <span class="muted">${chat.rating.score}/5</span>
        </p>
        <p dir="auto" class="break">${chat.rating.text}</p>
      </section>`
    }
    ${
      past.length > 0 &&
      html`<details>
        <summary>${t('chat.card.past', {n: past.length})}</summary>
        <ul class="trail">
          ${past.map(
            (/** @type {any} */ one) =>
              html`<li key=${one.id}>
                <a href=${address(`/sites/${work.site}/chat`, {list: 'all', chat: one.id})}
                  ><${When} at=${one.created}
                /></a>
                <span class="muted">${one.state ? t(`chat.state.${one.state}`) : ''}</span>
              </li>`,
          )}
        </ul>
      </details>`
    }
    ${
      products.length > 0 &&
      html`<details>
        <summary>${t('chat.card.products')}</summary>
        ${products.map(
          one =>
            html`<h4 key=${one.product}>
                ${t(`settings.group.${one.product}`)}: ${number(one.count)}${one.count < 1000 ? '' : '+'}
              </h4>
              <ul class="trail">
                ${one.last.map(
                  (/** @type {any} */ deed, /** @type {number} */ n) =>
                    html`<li key=${n}>
                      ${deed.url ? html`<${PageLink} page=${{url: deed.url, title: deed.text}} />` : html`<span dir="auto">${deed.text}</span>`}
                      <span class="muted"><${When} at=${deed.created} /></span>
                    </li>`,
                )}
              </ul>`,
        )}
        ${may(work.site, 'moderator') && card.visitor && html`<a href=${address(`/sites/${work.site}/queue`, {state: 'all', q: `author:#${card.visitor}`})}>${t('nav.queue')}</a>`}
      </details>`
    }
    <${Quality} quality=${card.quality} />
  </aside>`;
}
