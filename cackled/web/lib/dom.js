/* Building DOM from data: createElement, textContent and attributes only. */

/** @typedef {Node | string | null | undefined | false | Child[]} Child null, false and undefined are left out */
/** @typedef {string | number | boolean | null | undefined | ((event: any) => void)} Attribute */
/** @typedef {Record<string, Attribute>} Attributes */

const SVG = 'http://www.w3.org/2000/svg';
// 20 px, 1.5 px stroke.
/** @type {Record<string, string>} */
const ICONS = {
  up: 'M5 12l5-5 5 5',
  down: 'M5 8l5 5 5-5',
  reply: 'M8 5L4 9l4 4M4 9h7a5 5 0 0 1 5 5v1',
  more: 'M4.5 10h.01M10 10h.01M15.5 10h.01',
  edit: 'M4 16l1-4 8-8 3 3-8 8-4 1z',
};

/**
 * @param {Element} node
 * @param {Child} child
 */
function add(node, child) {
  if (child == null || child === false) return;
  if (Array.isArray(child)) child.forEach(one => add(node, one));
  else node.append(child);
}

/**
 * el('button.mc-a.mc-b', {attribute: value, onclick: fn}, child, 'text', [more])
 * @template {string} Spec
 * @param {Spec} spec
 * @param {Attributes | null} [attributes]
 * @param {Child[]} children
 * @returns {Spec extends `textarea${string}` ? HTMLTextAreaElement : Spec extends `input${string}` ? HTMLInputElement : Spec extends `button${string}` ? HTMLButtonElement : HTMLElement}
 */
export function el(spec, attributes, ...children) {
  const parts = spec.split('.');
  const node = document.createElement(parts[0]);
  if (parts.length > 1) node.className = parts.slice(1).join(' ');
  // No type, because pages style [type=button]; and yet it submits no form but ours.
  if (parts[0] === 'button') {
    node.addEventListener('click', event => {
      if (!node.closest('.mc-form')) event.preventDefault();
    });
  }
  // Keys of its own only: pages put things on Object.prototype.
  Object.keys(attributes || {}).forEach(key => {
    const value = /** @type {Attributes} */ (attributes)[key];
    if (value == null || value === false) return;
    if (typeof value === 'function') node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? '' : '' + value);
  });
  add(node, children);
  return /** @type {any} */ (node);
}

/**
 * A quiet control: a button to everybody but the page's own `button {..}`, which would make a slab of each vote arrow.
 * @param {string} spec
 * @param {Attributes | null} attributes
 * @param {Child[]} children
 * @returns {HTMLElement}
 */
export function press(spec, attributes, ...children) {
  const node = el(
    'span.mc-press.' + spec,
    Object.assign(
      {
        role: 'button',
        tabindex: 0,
        onkeydown: (/** @type {KeyboardEvent} */ event) => {
          if (event.target === node && (event.key === 'Enter' || event.key === ' ')) {
            event.preventDefault();
            node.click();
          }
        },
      },
      attributes,
    ),
    children,
  );
  return node;
}

/**
 * By its name, or by its path where it is used by one part alone.
 * @param {string} name
 * @returns {SVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  const path = document.createElementNS(SVG, 'path');
  /** @type {Record<string, string | number>} */
  const attributes = {
    viewBox: '0 0 20 20',
    width: 20,
    height: 20,
    fill: 'none',
    stroke: 'currentColor',
    'stroke-width': name === 'more' ? 2.2 : 1.5,
    'stroke-linecap': 'round',
    'stroke-linejoin': 'round',
    'aria-hidden': 'true',
    class: 'mc-icon',
  };
  Object.keys(attributes).forEach(key => svg.setAttribute(key, '' + attributes[key]));
  path.setAttribute('d', ICONS[name] || name);
  svg.append(path);
  return /** @type {SVGElement} */ (svg);
}
