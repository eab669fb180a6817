/* Code in colours: strings, comments, numbers, words that languages keep for themselves, and names that are called. One
   reading for all languages, as comments show a few lines of them. */
import {el} from './dom.js';

const HASH =
  /^(py|python|rb|ruby|sh|bash|zsh|shell|console|yaml|yml|toml|perl|pl|r|make|makefile|docker|dockerfile|nginx|ini|conf|elixir|ex|julia|jl|graphql|powershell|ps1)$/;
const DASH = /^(sql|psql|mysql|lua|haskell|hs|ada|elm)$/;
const PLAIN = /^(text|txt|plain|plaintext|none|output|log|diff|markdown|md)$/;
const KEPT = new Set(
  (
    'abstract and as assert async await begin bool boolean break by case catch char class const continue create def default ' +
    'defer del delete do double elif else elseif elsif end enum except export extends extern false False final finally float ' +
    'fn for foreach from func function global go goto group having if impl implements import in include init insert instanceof ' +
    'int interface into is join lambda let limit local long loop match mod module mut namespace new nil nonlocal none None not null ' +
    'of on or order package pass private protected pub public raise return select self set short signed static string struct ' +
    'super switch table template then this throw throws trait true True try type typedef typeof undefined union unless ' +
    'unsigned until update use using val values var virtual void volatile when where while with yield'
  ).split(' '),
);
// So many characters of one piece; longer ones stay as they are.
const MOST = 10000;

/**
 * @param {HTMLElement} code with the name of its language in `data-language`
 */
export function highlight(code) {
  const text = /** @type {string} */ (code.textContent);
  const language = (code.dataset.language || '').toLowerCase();
  if (PLAIN.test(language) || text.length > MOST || code.firstElementChild) return;
  const remark = HASH.test(language)
    ? '#.*'
    : DASH.test(language)
      ? '--.*'
      : '\\/\\/.*|\\/\\*[^]*?(?:\\*\\/|$)|<!--[^]*?(?:-->|$)';
  const pattern = new RegExp(
    '(' +
      remark +
      ')|("""[^]*?"""|"(?:\\\\.|[^"\\\\\\n])*"|\'(?:\\\\.|[^\'\\\\\\n])*\'|`(?:\\\\.|[^`\\\\])*`)|' +
      '(\\b\\d[\\w.]*)|([A-Za-z_$][\\w$]*)(?=(\\s*\\()?)',
    'g',
  );
  const upper = DASH.test(language);
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(pattern)) {
    const [all, comment, string, number, word, called] = found;
    const kept = word && KEPT.has(upper ? word.toLowerCase() : word);
    const kind = comment ? 'c' : string ? 's' : number ? 'm' : kept ? 'k' : word && called ? 'f' : '';
    if (!kind) continue;
    parts.push(text.slice(end, found.index), el('span.mc-hl-' + kind, null, all));
    end = found.index + all.length;
  }
  code.replaceChildren(...parts, text.slice(end));
}
