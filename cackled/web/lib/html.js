/* Comment HTML from the server into nodes. The server has sanitised it; this is the second wall: a small tokenizer that
   creates allowed elements only and writes everything else as text. No innerHTML, so no Trusted Types policy is needed. */
// @ts-nocheck
var ALLOWED = ' a b i em strong p br code pre blockquote ul ol li del s ';
var ENTITIES = {amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0'};

function decode(text) {
  return text.replace(/&(?:#(\d+)|#x([\da-f]+)|(\w+));/gi, (all, decimal, hex, name) => {
    var code;
    if (name) return Object.prototype.hasOwnProperty.call(ENTITIES, name) ? ENTITIES[name] : all;
    code = decimal ? parseInt(decimal, 10) : parseInt(hex, 16);
    return code > 0 && code < 0x110000 ? String.fromCodePoint(code) : all;
  });
}

function link(node, attributes) {
  var match = new RegExp('\\bhref\\s*=\\s*(?:"([^"]*)"|\'([^\']*)\')', 'i').exec(attributes),
    url;
  if (!match) return;
  try {
    url = new URL(decode(match[1] || match[2] || ''));
  } catch (e) {
    return;
  }
  if (!/^(https?|mailto):$/.test(url.protocol)) return;
  node.href = url.href;
  node.rel = 'nofollow ugc noopener';
  node.target = '_blank';
}

export const safeHtml = html => {
  var root = document.createDocumentFragment(),
    stack = [root];
  var tokens = new RegExp('<!--[\\s\\S]*?-->|<(/?)([a-z][a-z0-9]*)((?:"[^"]*"|\'[^\']*\'|[^"\'<>])*)>|[^<]+|<', 'gi');
  String(html).replace(tokens, (token, closing, name, attributes) => {
    var top = stack[stack.length - 1],
      node,
      depth;
    name = name && name.toLowerCase();
    if (!name) {
      if (token.slice(0, 4) !== '<!--') top.append(decode(token));
    } else if (ALLOWED.indexOf(' ' + name + ' ') < 0) {
      return '';
    } else if (closing) {
      for (depth = stack.length - 1; depth > 0; depth--) {
        if (stack[depth].localName === name) {
          stack.length = depth;
          break;
        }
      }
    } else {
      node = document.createElement(name);
      if (name === 'a') link(node, attributes);
      top.append(node);
      if (name !== 'br' && stack.length < 40) stack.push(node);
    }
    return '';
  });
  return root;
};
