/* What is pasted with its looks becomes Markdown: emphasis, links, lists, quotes, code. */
import {safeHtml} from '../lib/html.js';

/** @type {Record<string, string>} */
const AROUND = {B: '**', STRONG: '**', I: '*', EM: '*', S: '~~', DEL: '~~'};
const BLOCKS = /<\/?(h[1-6]|div|section|article|header|footer|figure|table|tr|dl|dt|dd)\b[^>]*>/gi;

/**
 * @param {string} html as the clipboard has it
 * @returns {string} Markdown; '' where there is nothing in it
 */
export function toMarkdown(html) {
  const clean = html
    .replace(/<!--[^]*?-->/g, '')
    .replace(/<(style|script|head|title|template)\b[^]*?<\/\1\s*>/gi, '')
    // Google's editor wraps everything in a bold element that is not.
    .replace(/<b\b[^>]*font-weight:\s*normal[^>]*>/gi, '<p>')
    .replace(/<td\b[^>]*>/gi, ' ')
    .replace(BLOCKS, '<p>');
  const text = inside(safeHtml(clean), 0);
  return text
    .replace(/[ \t]+\n/g, '\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}

/**
 * @param {Node} parent
 * @param {number} depth of lists
 * @returns {string}
 */
function inside(parent, depth) {
  return [...parent.childNodes].map(node => written(node, depth)).join('');
}

/**
 * @param {Node} node
 * @param {number} depth
 * @returns {string}
 */
function written(node, depth) {
  if (node.nodeType === 3) return /** @type {string} */ (node.nodeValue).replace(/\s+/g, ' ');
  const {tagName} = /** @type {Element} */ (node);
  if (tagName === 'BR') return '\n';
  if (tagName === 'PRE')
    return '\n\n```\n' + /** @type {string} */ (node.textContent).replace(/\n+$/, '') + '\n```\n\n';
  if (tagName === 'CODE') return '`' + node.textContent + '`';
  const isList = tagName === 'UL' || tagName === 'OL';
  const text = inside(node, depth + (isList ? 1 : 0));
  const words = text.trim();
  if (!words) return text;
  if (AROUND[tagName] && !words.includes('\n')) {
    const mark = AROUND[tagName];
    return text.replace(words, () => mark + words + mark);
  }
  if (tagName === 'A') {
    const {href} = /** @type {HTMLAnchorElement} */ (node);
    return !href || words.includes('\n')
      ? text
      : words === href
        ? href
        : '[' + words.replace(/[[\]]/g, '') + '](' + href + ')';
  }
  if (tagName === 'LI') {
    const list = /** @type {Element} */ (node.parentNode);
    const ordered = list.tagName === 'OL';
    const mark = ordered ? [...list.children].indexOf(/** @type {Element} */ (node)) + 1 + '. ' : '- ';
    const indent = '   '.repeat(Math.max(0, depth - 1));
    return '\n' + indent + mark + words.replace(/\n{2,}/g, '\n');
  }
  if (tagName === 'BLOCKQUOTE')
    return (
      '\n\n' +
      words
        .replace(/\n{3,}/g, '\n\n')
        .split('\n')
        .map(line => '> ' + line)
        .join('\n') +
      '\n\n'
    );
  if (isList && depth) return '\n' + text.replace(/^\n+|\s+$/g, '');
  if (tagName === 'P' || isList) return '\n\n' + words + '\n\n';
  return text;
}

/**
 * Puts text where the caret is, as if it were typed: it can be undone.
 * @param {HTMLTextAreaElement} input
 * @param {string} text
 */
export function insert(input, text) {
  input.focus();
  let done = false;
  try {
    done = document.execCommand('insertText', false, text);
  } catch {
    // Not here.
  }
  if (done) return;
  input.setRangeText(text, input.selectionStart, input.selectionEnd, 'end');
  input.dispatchEvent(new Event('input', {bubbles: true}));
}
