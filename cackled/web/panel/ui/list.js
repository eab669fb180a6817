// Lists that are edited in place: one field for one line each, or rows of several fields.
import {html, useId} from '../libraries.js';
import {t} from '../words.js';
import {Field} from './form.js';

/**
 * Short texts, one a line.
 * @param {{label: string, value: string[], onInput: (value: string[]) => void, hint?: any, rows?: number}} props
 */
export function Lines({label, value, onInput, hint, rows = 4}) {
  return html`<${Field}
    label=${label}
    area
    rows=${rows}
    value=${value.join('\n')}
    hint=${hint}
    spellcheck="false"
    dir="auto"
    onInput=${(/** @type {string} */ text) => onInput(text.split('\n'))}
  />`;
}

/** Lines without empty ones and spaces around. @param {string[]} lines */
export const tidy = lines => lines.map(one => one.trim()).filter(Boolean);

/**
 * Rows of fields; *row* draws one of them.
 * @template T
 * @param {{label: string, value: T[], empty: T, onInput: (value: T[]) => void, hint?: any, most: number,
 *   row: (value: T, change: (value: Partial<T>) => void, label: string) => any}} props
 */
export function Rows({label, value, empty, onInput, hint, most, row}) {
  const id = useId();
  /** @param {number} at @param {Partial<T>} change */
  const set = (at, change) => onInput(value.map((one, i) => (i === at ? {...one, ...change} : one)));
  return html`<fieldset class="rows" aria-describedby=${hint ? id : null}>
    <legend>${label}</legend>
    ${hint && html`<p class="hint" id=${id}>${hint}</p>`}
    ${value.map(
      (one, at) =>
        html`<div class="row" key=${at}>
          ${row(one, change => set(at, change), `${label} ${at + 1}`)}
          <button
            type="button"
            class="icon"
            aria-label=${t('list.remove', {n: at + 1})}
            onClick=${() => onInput(value.filter((_, i) => i !== at))}
          >
            ×
          </button>
        </div>`,
    )}
    <div>
      <button type="button" disabled=${value.length >= most} onClick=${() => onInput([...value, {...empty}])}>
        ${t('list.add')}
      </button>
    </div>
  </fieldset>`;
}

/**
 * A number with its label and what it counts.
 * @param {{label: string, value: number | null, onInput: (value: number | null) => void, min?: number, max?: number,
 *   step?: number, hint?: any, none?: boolean}} props *none*: an empty field is null
 */
export function NumberField({label, value, onInput, min = 0, max, step = 1, hint, none}) {
  return html`<${Field}
    label=${label}
    type="number"
    inputmode="decimal"
    min=${min}
    max=${max}
    step=${step}
    required=${!none}
    value=${value ?? ''}
    hint=${hint}
    onInput=${(/** @type {string} */ text) => onInput(text === '' ? null : Number(text))}
  />`;
}
