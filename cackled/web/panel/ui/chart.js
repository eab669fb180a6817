// Small charts drawn as SVG, each with its numbers in a table behind it.
import {html, useId, useState} from '../libraries.js';
import {number, t} from '../words.js';
import {Table} from './table.js';

/**
 * Every day of the last *days*, the oldest first, also those on which nothing was; and the *known* ones before.
 * @param {number} days @param {string[]} [known] as in 2026-11-30 @returns {string[]}
 */
export function lastDays(days, known = []) {
  const now = Date.now();
  const last = Array.from({length: days}, (_, at) =>
    new Date(now - (days - 1 - at) * 86_400_000).toISOString().slice(0, 10),
  );
  return [...new Set([...known, ...last])].sort();
}

/**
 * Bars of several kinds on top of each other, one for each day or thing.
 * @param {{title: string, name?: string, labels: string[], series: {name: string, tone?: string, values: number[]}[], height?: number}} props
 */
export function Bars({title, name, labels, series, height = 120}) {
  const [open, setOpen] = useState(false);
  const id = useId();
  const sums = labels.map((_, i) => series.reduce((sum, one) => sum + (one.values[i] || 0), 0));
  const top = Math.max(1, ...sums);
  const step = 100 / Math.max(1, labels.length);
  const nothing = !sums.some(one => one > 0);
  const bars = labels.flatMap((label, i) => {
    let y = height;
    return series.map((one, at) => {
      const tall = ((one.values[i] || 0) / top) * (height - 4);
      y -= tall;
      if (!tall) return null;
      return html`<rect
        key=${`${label}-${at}`}
        class=${`tone-${one.tone || at}`}
        x=${`${i * step + step * 0.1}%`}
        width=${`${step * 0.8}%`}
        y=${y}
        height=${tall}
        ><title>${`${label}: ${one.name} ${number(one.values[i] || 0)}`}</title></rect
      >`;
    });
  });
  return html`<figure class="chart">
    <figcaption id=${id}>${title}</figcaption>
    ${
      nothing
        ? html`<p class="nothing muted" style=${{minHeight: `${height}px`}}>${t('statistics.none')}</p>`
        : html`<svg role="img" aria-labelledby=${id} width="100%" height=${height} preserveAspectRatio="none">
              ${bars}
            </svg>
            <div class="axis" aria-hidden="true"><span>${labels[0]}</span><span>${labels.at(-1)}</span></div>`
    }
    <div class="legend">
      ${series.map(
        (one, at) => html`<span key=${one.name}><i class=${`tone-${one.tone || at}`}></i>${one.name}</span>`,
      )}
      <button type="button" class="link" aria-expanded=${open} onClick=${() => setOpen(!open)}>
        ${t('chart.table')}
      </button>
    </div>
    ${
      open &&
      html`<${Table}
        label=${title}
        id=${(/** @type {number} */ i) => i}
        rows=${labels.map((_, i) => i)}
        columns=${[
          {label: name || t('chart.label'), cell: (/** @type {number} */ i) => labels[i]},
          ...series.map(one => ({
            label: one.name,
            number: true,
            cell: (/** @type {number} */ i) => number(one.values[i] || 0),
          })),
        ]}
      />`
    }
  </figure>`;
}
