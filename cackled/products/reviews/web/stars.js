/* Stars: one picture of five, of which as much is filled as the number says, by halves. The number stands beside it or is
   read out: never the picture alone. */
const SVG = 'http://www.w3.org/2000/svg';
const STAR = 'M10 1.6l2.6 5.3 5.8.8-4.2 4.1 1 5.8-5.2-2.7-5.2 2.7 1-5.8L1.6 7.7l5.8-.8z';

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 * @param {Element[]} children
 * @returns {SVGElement}
 */
function draw(name, attributes, ...children) {
  const node = document.createElementNS(SVG, name);
  Object.keys(attributes).forEach(key => node.setAttribute(key, '' + attributes[key]));
  node.append(...children);
  return node;
}

/** As far as stars are filled. @param {number} value */
export const halves = value => Math.round(Math.max(0, Math.min(5, value)) * 2) / 2;

const path = (/** @type {number} */ i) => draw('path', {d: STAR, transform: `translate(${i * 20})`});
const five = () => [0, 1, 2, 3, 4].map(path);

/**
 * @param {number} value 0 to 5
 * @param {string} [label] what it is read as; none where the number stands beside it
 */
export function stars(value, label) {
  const full = halves(value);
  return draw(
    'svg',
    {
      viewBox: '0 0 100 20',
      class: 'mcr-stars',
      ...(label ? {role: 'img', 'aria-label': label} : {'aria-hidden': 'true'}),
    },
    draw('g', {class: 'mcr-empty'}, ...five()),
    // A picture within one is cut off at its edge.
    draw('svg', {class: 'mcr-full', x: 0, y: 0, width: full * 20, height: 20, overflow: 'hidden'}, ...five()),
  );
}

/** One star, for buttons. */
export const star = () => draw('svg', {viewBox: '0 0 20 20', class: 'mcr-star', 'aria-hidden': 'true'}, path(0));
