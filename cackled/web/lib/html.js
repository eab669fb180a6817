/* HTML from the server into nodes. The server has sanitised it; this is the second wall: a small tokenizer that creates
   allowed elements only and writes everything else as text. No innerHTML, so no Trusted Types policy is needed. */

const ALLOWED = ' a b i em strong p br code pre blockquote ul ol li del s span ';
// What the server says of an element by its class: what is hidden at first, the language of code, and who is mentioned.
const CLASS = /^ class="(?:(spoiler)|(language|mention)-([\w+#.-]+))"$/;
/** @type {Record<string, string>} */
const ENTITIES = {amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0'};

/** @param {string} text */
const decode = text =>
  text.replace(/&(?:#(\d+)|#x([\da-f]+)|(\w+));/gi, (all, decimal, hex, name) => {
    if (name) return Object.prototype.hasOwnProperty.call(ENTITIES, name) ? ENTITIES[name] : all;
    const code = decimal ? parseInt(decimal, 10) : parseInt(hex, 16);
    return code > 0 && code < 0x110000 ? String.fromCodePoint(code) : all;
  });

/**
 * @param {HTMLAnchorElement} node
 * @param {string} attributes
 */
function link(node, attributes) {
  const match = /\bhref\s*=\s*(?:"([^"]*)"|'([^']*)')/i.exec(attributes);
  let url;
  if (!match) return;
  try {
    url = new URL(decode(match[1] || match[2] || ''));
  } catch {
    return;
  }
  if (!/^(https?|mailto):$/.test(url.protocol)) return;
  node.href = url.href;
  node.rel = 'nofollow ugc noopener';
  node.target = '_blank';
}

/**
 * @param {string} html
 * @returns {DocumentFragment}
 */
export function safeHtml(html) {
  const root = document.createDocumentFragment();
  /** @type {(DocumentFragment | HTMLElement)[]} */
  const stack = [root];
  const tokens = /<!--[\s\S]*?-->|<(\/?)([a-z][a-z0-9]*)((?:"[^"]*"|'[^']*'|[^"'<>])*)>|[^<]+|</gi;
  String(html).replace(tokens, (token, closing, name, attributes) => {
    const top = stack[stack.length - 1];
    name = name && name.toLowerCase();
    if (!name) {
      if (token.slice(0, 4) !== '<!--') top.append(decode(token));
    } else if (ALLOWED.indexOf(' ' + name + ' ') < 0) {
      return '';
    } else if (closing) {
      for (let depth = stack.length - 1; depth > 0; depth--) {
        if (/** @type {HTMLElement} */ (stack[depth]).localName === name) {
          stack.length = depth;
          break;
        }
      }
    } else {
      const node = document.createElement(name);
      const said = CLASS.exec(attributes);
      if (name === 'a') link(node, attributes);
      if (said && said[1] && name === 'span') node.className = 'mc-spoiler';
      if (said && said[2]) node.dataset[said[2]] = said[3];
      top.append(node);
      if (name !== 'br' && stack.length < 40) stack.push(node);
    }
    return '';
  });
  return root;
}
