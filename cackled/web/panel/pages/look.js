// How widgets look on a site's pages: chosen here, seen at once, taken along as a few lines of CSS.
import {html, useEffect, useRef, useState} from '../libraries.js';
import {Choice, Copy, Field} from '../ui/form.js';
import {Heading} from '../ui/parts.js';
import {t} from '../words.js';
import {SiteTabs} from './hosts.js';

/** Custom properties of the container, with what they are measured in; '' leaves what the page gives. */
const SIZES = /** @type {[string, string, number, number, number][]} */ ([
  ['radius', 'px', 0, 24, 1],
  ['gap', 'em', 0.5, 2.5, 0.05],
  ['avatar', 'em', 1.5, 4, 0.1],
]);
const COLOURS = ['accent', 'text', 'muted', 'line', 'surface'];

/** @param {Record<string, string>} chosen */
export function css(chosen) {
  const lines = Object.entries(chosen)
    .filter(([, value]) => value)
    .map(([name, value]) => `  --mc-${name}: ${value};`);
  return lines.length ? `.mc-root {\n${lines.join('\n')}\n}` : '';
}

/** @param {{site: string}} props */
export function LookPage({site}) {
  const [chosen, setChosen] = useState(/** @type {Record<string, string>} */ ({}));
  const [theme, setTheme] = useState('auto');
  const frame = useRef(/** @type {HTMLIFrameElement | null} */ (null));
  const [there, setThere] = useState(/** @type {boolean | null} */ (null));
  useEffect(() => {
    fetch('/demo', {method: 'HEAD'}).then(
      answer => setThere(answer.ok),
      () => setThere(false),
    );
  }, []);
  const show = () => {
    const inside = frame.current?.contentDocument;
    if (!inside?.documentElement) return;
    inside.documentElement.dataset.theme = theme;
    const root = /** @type {HTMLElement | null} */ (inside.querySelector('.mc-root, #mc-container'));
    if (!root) return;
    for (const name of [...COLOURS, ...SIZES.map(one => one[0])]) {
      if (chosen[name]) root.style.setProperty(`--mc-${name}`, chosen[name]);
      else root.style.removeProperty(`--mc-${name}`);
    }
  };
  useEffect(show);
  /** @param {string} name @param {string} value */
  const set = (name, value) => setChosen(old => ({...old, [name]: value}));
  const text = css(chosen);
  return html`<div class="page">
    <${Heading} lead=${t('look.lead')}>${t('nav.look')}<//><${SiteTabs} site=${site} current="look" />
    <div class="look">
      <div class="stack">
        <section class="panel">
          <${Choice}
            label=${t('look.theme')}
            value=${theme}
            onInput=${setTheme}
            options=${['auto', 'light', 'dark'].map(one => [one, t(`look.${one}`)])}
          />
          ${COLOURS.map(
            one =>
              html`<div class="row colour" key=${one}>
                <${Field}
                  label=${t(`look.${one}`)}
                  type="color"
                  value=${chosen[one] || '#808080'}
                  onInput=${(/** @type {string} */ v) => set(one, v)}
                />
                ${chosen[one] ? html`<button type="button" onClick=${() => set(one, '')}>${t('look.own')}</button>` : html`<span class="muted">${t('look.page')}</span>`}
              </div>`,
          )}
          ${SIZES.map(
            ([name, unit, low, high, step]) =>
              html`<div class="row" key=${name}>
                <${Field}
                  label=${`${t(`look.${name}`)} ${chosen[name] || ''}`}
                  type="range"
                  min=${low}
                  max=${high}
                  step=${step}
                  value=${parseFloat(chosen[name] || String((low + high) / 2))}
                  onInput=${(/** @type {string} */ v) => set(name, `${v}${unit}`)}
                />
                ${chosen[name] && html`<button type="button" onClick=${() => set(name, '')}>${t('look.own')}</button>`}
              </div>`,
          )}
        </section>
        ${text ? html`<${Copy} label=${t('look.css')} text=${text} rows=${10} />` : html`<p class="muted">${t('look.none')}</p>`}
      </div>
      ${there ? html`<iframe ref=${frame} title=${t('look.preview')} src="/demo?embed=1" onLoad=${() => setTimeout(show, 300)}></iframe>` : html`<p class="empty">${there === false ? t('look.no_preview') : ''}</p>`}
    </div>
  </div>`;
}
