// What the pages of reviews share, and the link of an order with its QR code.
import {html, useState} from '../libraries.js';
import {post} from '../api.js';
import {Check, Copy, Field, Form} from '../ui/form.js';
import {Tabs} from '../ui/parts.js';
import {QrCode} from '../ui/qr.js';
import {t} from '../words.js';

/** @param {{site: string, current: string}} props */
export const ReviewTabs = ({site, current}) =>
  html`<${Tabs}
    label=${t('nav.reviews')}
    current=${`/sites/${site}/reviews${current}`}
    tabs=${[
      [`/sites/${site}/reviews`, t('nav.statistics')],
      [`/sites/${site}/reviews/requests`, t('reviews.requests')],
      [`/sites/${site}/reviews/form`, t('reviews.form')],
    ]}
  />`;

/**
 * An order by hand: the link by which its buyer writes a verified review, as text and as a QR code.
 * @param {{site: string}} props
 */
export function OrderLink({site}) {
  const [order, setOrder] = useState('');
  const [url, setUrl] = useState('');
  const [paid, setPaid] = useState(false);
  const [made, setMade] = useState(/** @type {any} */ (null));
  const send = async () => {
    const body = {order: order.trim(), products: [{url: url.trim()}], request: false, incentivized: paid, qr: true};
    setMade(await post(`/sites/${site}/reviews/orders`, body));
  };
  const key = made && Object.keys(made.links)[0];
  return html`<section class="panel">
    <h2>${t('reviews.link')}</h2>
    <p class="muted">${t('reviews.link.text')}</p>
    <${Form} onSubmit=${send} label=${t('reviews.link.go')} disabled=${!order.trim() || !url.trim()}>
      <${Field} label=${t('reviews.order')} required maxlength="100" value=${order} onInput=${setOrder} />
      <${Field}
        label=${t('reviews.link.url')}
        type="url"
        required
        maxlength="2000"
        placeholder="https://"
        value=${url}
        onInput=${setUrl}
      />
      <${Check} label=${t('reviews.link.paid')} checked=${paid} onInput=${setPaid} />
    <//>
    ${
      key &&
      html`<div class="stack" role="status">
        <${Copy} label=${t('reviews.link')} text=${made.links[key]} />
        <${QrCode}
          qr=${made.qr[key]}
          label=${t('reviews.link.qr', {order: made.order})}
          file=${`review-${made.order.replace(/[^\w.-]+/g, '_')}.svg`}
        />
      </div>`
    }
  </section>`;
}
