// Small things of the console.
import {html, signal, useEffect, useRef, useState} from '../libraries.js';
import {known, made, t} from '../words.js';

const second = signal(Date.now());
let watchers = 0;
/** @type {ReturnType<typeof setInterval> | undefined} */
let timer;

/** The time, each second while *on*. @param {boolean} on @returns {number} milliseconds */
export function useNow(on) {
  useEffect(() => {
    if (!on) return;
    if (!watchers++) timer = setInterval(() => (second.value = Date.now()), 1000);
    return () => {
      if (!--watchers) clearInterval(timer);
    };
  }, [on]);
  return on ? Math.max(second.value, Date.now()) : 0;
}

/** A length of time as a clock shows it, `2:05` or `1:02:05`. @param {number | null | undefined} seconds */
export function plainTime(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return '–';
  const all = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
  const two = (/** @type {number} */ n) => String(n).padStart(2, '0');
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** A length of time in words, `2 min`. @param {number | null | undefined} seconds */
export function span(seconds) {
  if (seconds === null || seconds === undefined) return '–';
  const [value, unit] =
    seconds < 90
      ? [seconds, 'second']
      : seconds < 5400
        ? [seconds / 60, 'minute']
        : seconds < 129_600
          ? [seconds / 3600, 'hour']
          : [seconds / 86_400, 'day'];
  return new Intl.NumberFormat(known.value, {
    style: 'unit',
    unit,
    unitDisplay: 'short',
    maximumFractionDigits: unit === 'second' || value >= 10 ? 0 : 1,
  }).format(value);
}

/** A time of day. @param {string} at */
export const clock = at =>
  made('clock', language => new Intl.DateTimeFormat(language, {timeStyle: 'short'})).format(new Date(at));

/** The name of a language or country, in the reader's own. @param {'language' | 'region'} type @param {string} code */
export function naming(type, code) {
  try {
    return new Intl.DisplayNames([known.value], {type}).of(code) || code;
  } catch {
    return code;
  }
}

/**
 * A button that opens a list of deeds: arrows move in it, Escape closes it.
 * @param {{label: string, icon?: string, deeds: {label: string, act: () => void, kind?: string}[], class?: string}} props
 */
export function Menu({label, icon, deeds, ...rest}) {
  const [open, setOpen] = useState(false);
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    if (!open) return;
    const node = box.current;
    /** @type {HTMLElement | null | undefined} */ (node?.querySelector('[role=menuitem]'))?.focus();
    const outside = (/** @type {Event} */ event) => {
      if (!node?.contains(/** @type {Node} */ (event.target))) setOpen(false);
    };
    document.addEventListener('pointerdown', outside, true);
    return () => document.removeEventListener('pointerdown', outside, true);
  }, [open]);
  const close = () => {
    setOpen(false);
    /** @type {HTMLElement | null | undefined} */ (box.current?.querySelector('button'))?.focus();
  };
  const keys = (/** @type {KeyboardEvent} */ event) => {
    const all = /** @type {HTMLElement[]} */ ([...(box.current?.querySelectorAll('[role=menuitem]') || [])]);
    const at = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    const moves = /** @type {Record<string, number>} */ ({
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      Home: 0,
      End: all.length - 1,
    });
    if (event.key === 'Escape') close();
    else if (event.key === 'Tab') return setOpen(false);
    else if (event.key in moves) all[(moves[event.key] + all.length) % all.length]?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return html`<span class=${`menu-box ${rest.class || ''}`} ref=${box}>
    <button
      type="button"
      class=${icon ? 'icon' : ''}
      aria-haspopup="menu"
      aria-expanded=${open}
      aria-label=${icon ? label : null}
      title=${icon ? label : null}
      onClick=${() => setOpen(!open)}
    >
      ${icon || label}
    </button>
    ${
      open &&
      html`<div role="menu" class="popup" aria-label=${label} onKeyDown=${keys}>
        ${deeds.map(
          one =>
            html`<button
              type="button"
              role="menuitem"
              tabindex="-1"
              key=${one.label}
              class=${one.kind || ''}
              onClick=${() => {
                close();
                one.act();
              }}
            >
              ${one.label}
            </button>`,
        )}
      </div>`
    }
  </span>`;
}

/** A note about the state of things, with something to do. @param {{kind?: string, children?: any}} props */
export const Bar = ({kind = '', children}) => html`<div class=${`chat-bar ${kind}`} role="status">${children}</div>`;

/** The name of a chat's event, in words. @param {any} event @param {string} [who] */
export function happened(event, who = '') {
  const name = event?.name || '';
  const known = [
    'joined',
    'invited',
    'left',
    'transferred',
    'closed',
    'reopened',
    'timeout',
    'queued',
    'rated',
    'offline',
    'snoozed',
    'lost',
  ];
  const values = {
    name: event?.by?.name || event?.name_of || event?.operator?.name || who || t('somebody'),
    to: event?.to?.name || event?.to || event?.department?.name || '',
  };
  return known.includes(name) ? t(`chat.event.${name}`, values) : name;
}
