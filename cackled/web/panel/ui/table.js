// A table that scrolls sideways on its own, and is a list of cards on a phone.
import {html} from '../libraries.js';

/**
 * @template T
 * @typedef {object} Column
 * @property {string} label
 * @property {(row: T) => any} cell
 * @property {boolean} [number] at the end of its column, with figures of one width
 * @property {boolean} [hidden] the label is for screen readers
 */

/**
 * @param {{label: string, columns: Column<any>[], rows: any[], id: (row: any) => string | number, empty?: any}} props
 */
export function Table({label, columns, rows, id, empty}) {
  if (!rows.length && empty) return html`<div class="empty">${empty}</div>`;
  return html`<div class="table" role="region" aria-label=${label} tabindex="0">
    <table>
      <caption class="sr">
        ${label}
      </caption>
      <thead>
        <tr>
          ${columns.map(
            one =>
              html`<th key=${one.label} scope="col" class=${one.number ? 'number' : ''}>
                <span class=${one.hidden ? 'sr' : ''}>${one.label}</span>
              </th>`,
          )}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          row =>
            html`<tr key=${id(row)}>
              ${columns.map(
                one =>
                  html`<td
                    key=${one.label}
                    data-label=${one.hidden ? null : one.label}
                    class=${one.number ? 'number' : ''}
                  >
                    <div>${one.cell(row)}</div>
                  </td>`,
              )}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}
