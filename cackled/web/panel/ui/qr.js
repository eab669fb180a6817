// A QR code, as the server draws it: {size, path}.
import {html} from '../libraries.js';
import {t} from '../words.js';

/** @typedef {{size: number, path: string}} Qr */

/**
 * Dark on light, whatever the page is: cameras expect that. With *file* it can be saved under that name.
 * @param {{qr: Qr, label: string, file?: string}} props
 */
export function QrCode({qr, label, file}) {
  const box = `0 0 ${qr.size} ${qr.size}`;
  const text =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${box}" shape-rendering="crispEdges">` +
    `<rect width="100%" height="100%" fill="#fff"/><path d="${qr.path}"/></svg>`;
  return html`<svg class="qr" role="img" aria-label=${label} viewBox=${box} shape-rendering="crispEdges">
      <rect width="100%" height="100%" fill="#fff" />
      <path d=${qr.path} fill="#000" />
    </svg>
    ${file && html`<p><a download=${file} href=${`data:image/svg+xml,${encodeURIComponent(text)}`}>${t('qr.save')}</a></p>`}`;
}
