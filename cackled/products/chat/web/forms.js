/* Forms before a conversation, and where nobody is there: made of the fields that the site asks for. */
import {el} from '../../../web/lib/dom.js';
import {loader} from '../../../web/lib/loader.js';

/** @typedef {{name: string, kind: 'text' | 'mail' | 'phone' | 'long' | 'choice' | 'check', label: string, required?: boolean, options?: string[]}} Field */

const TYPES = {text: 'text', mail: 'email', phone: 'tel'};
const FILLS = {name: 'name', mail: 'email', phone: 'tel'};
let count = 0;

/**
 * What is wrong with a value: the key of its words, or ''.
 * @param {Field} field
 * @param {string} value
 */
export function wrong(field, value) {
  const text = value.trim();
  if (!text) return field.required ? 'chatRequired' : '';
  return field.kind === 'mail' && !/^[^\s@]+@[^\s@.]+(\.[^\s@.]+)+$/.test(text) ? 'chatMailWrong' : '';
}

/**
 * @param {Field[]} fields
 * @param {string} consent words to agree to, or ''
 * @param {Record<string, string>} known what was filled in before
 * @param {import('../../../web/lib/i18n.js').Translate} t
 * @param {() => void} changed something was chosen
 */
export function makeForm(fields, consent, known, t, changed) {
  /** @type {Field[]} */
  const all = consent ? [...fields, {name: '', kind: 'check', label: consent, required: true}] : fields;
  const lines = all.map(field => {
    const id = 'mcf' + ++count;
    const {kind, label, required, options = []} = field;
    const value = loader.text(known[field.name]);
    const common = {
      id,
      'aria-required': !!required,
      'aria-describedby': id + 'e',
      autocomplete: FILLS[/** @type {'mail'} */ (field.name)],
    };
    const error = el('span.err', {id: id + 'e'});
    const input =
      kind === 'long'
        ? el('textarea.in', {...common, rows: 3, maxlength: 2000})
        : kind === 'choice'
          ? el(
              'select.in',
              {...common, onchange: changed},
              !required && el('option', {value: ''}, '–'),
              options.map(one => el('option', {value: one}, one)),
            )
          : kind === 'check'
            ? el('input', {...common, type: 'checkbox'})
            : el('input.in', {...common, type: TYPES[kind] || 'text', maxlength: 200});
    const node = /** @type {HTMLInputElement} */ (input);
    if (kind === 'check') node.checked = value === 'yes';
    else if (value) node.value = value;
    const name = el('label', {for: id}, label, required && el('span', {'aria-hidden': 'true'}, ' *'));
    const read = () => (kind === 'check' ? (node.checked ? 'yes' : '') : node.value.trim());
    node.addEventListener('input', () => show(''));
    /** @param {string} key */
    function show(key) {
      error.textContent = key && t(key);
      node.setAttribute('aria-invalid', '' + !!key);
    }
    const line = kind === 'check' ? el('div.check', null, node, name, error) : el('div.line', null, name, node, error);
    return {field, node, line, read, show};
  });
  return {
    node: el(
      'div.fields',
      null,
      lines.map(one => one.line),
    ),
    /** Says what is wrong and leads there. Gives whether all is right. */
    check() {
      const bad = lines.filter(one => {
        const key = wrong(one.field, one.read());
        one.show(key);
        return key;
      });
      if (bad[0]) bad[0].node.focus();
      return !bad.length;
    },
    /** @param {string} name */
    focus: name => lines.map(one => one.field.name === name && one.node.focus()),
    /** @returns {Record<string, string>} by name; those that are empty are left out */
    values: () =>
      Object.fromEntries(lines.filter(one => one.field.name && one.read()).map(one => [one.field.name, one.read()])),
    agreed: () => lines.some(one => !one.field.name && one.read()),
  };
}
