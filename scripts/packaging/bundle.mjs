// Makes the files that `env = prod` serves: each folder's `bundles.json` -> `build/`, by esbuild.
//
//     node scripts/packaging/bundle.mjs CORE FOLDER...
//
// CORE is the folder whose lazy bundles all others may import; it is built where it is named again. cackled/web/README.md
// tells what stands in `bundles.json`. `build/manifest.json` lists what was made.
//
// Each bundle is one classic script. An `import('./part.js')` of a lazy bundle's module becomes `Cackle.lazy('part.js')`,
// so that it is fetched as the loader fetches: from another server if need be, with the page's nonce. A lazy bundle that
// is loaded `with` another takes what it imports of that one's modules from there, by its place in `Cackle['other.js']`.
//
// Beside each bundle stands its form in brotli, `NAME.br`: it takes too long to be made at each start of a daemon.

import {mkdir, readFile, rename, rm, writeFile} from 'node:fs/promises';
import {existsSync, readdirSync, readFileSync} from 'node:fs';
import path from 'node:path';
import {brotliCompressSync, constants} from 'node:zlib';
import {fileURLToPath} from 'node:url';
import * as esbuild from 'esbuild';

/**
 * One folder's `bundles.json`. Sources are paths from its folder, of files in it or in the core; of catalogues of words,
 * `locales/en.json`, one section can be named, `locales/en.json#widget`. `locales` are folders of catalogues: each language
 * but English, whose words are in the bundles, has one bundle of all of them.
 * @typedef {object} Spec
 * @property {Record<string, string[]>} [bundles]
 * @property {Record<string, string[]>} [lazy]
 * @property {Record<string, string>} [with]
 * @property {Record<string, {js?: string[], css?: string[], words?: boolean}>} [widgets]
 * @property {string[]} [packaged]
 * @property {string[]} [locales]
 */

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
// What the oldest browsers of the widgets' list understand; newer syntax is rewritten.
const TARGET = 'es2020';
/** @type {esbuild.CommonOptions} */
const COMMON = {minify: true, target: TARGET, charset: 'utf8', legalComments: 'none', logLevel: 'silent'};
const IMPORT = /^\s*import\s*\{([^}]*)\}\s*from\s*'([^']+)'/gm;
// Types in comments look the same.
const DYNAMIC = /\/\*[^]*?\*\/|\bimport\('(\.[^']+)'\)/g;

// Sections of a catalogue that widgets need.
const SECTIONS = ['widget', 'problems'];

// As compress() in cackled/transport/_variants.py at its best.
const BROTLI = {
  [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
  [constants.BROTLI_PARAM_QUALITY]: 11,
  [constants.BROTLI_PARAM_LGWIN]: 20,
};

/**
 * Write a bundle, and its compressed form beside it.
 * @param {string} file
 * @param {string} code
 */
async function writeBundle(file, code) {
  await writeFile(file, code);
  await writeFile(`${file}.br`, brotliCompressSync(code, {params: BROTLI}));
}

/** What is wrong with the sources, in words for whoever wrote them. */
class BundleError extends Error {}

/**
 * @param {unknown} error
 * @returns {string}
 */
function told(error) {
  const failure = /** @type {Partial<esbuild.BuildFailure>} */ (error);
  if (!failure.errors) {
    return error instanceof BundleError ? error.message : String((error instanceof Error && error.stack) || error);
  }
  return failure.errors.map(e => `${e.location ? `${e.location.file}:${e.location.line}: ` : ''}${e.text}`).join('\n');
}

/**
 * The licences of the packages whose files are in a bundle, as a comment to stand at its end.
 * @param {string[]} inputs
 * @returns {Promise<string>}
 */
async function licences(inputs) {
  const names = new Set(inputs.flatMap(input => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1] ?? []));
  let text = '';
  for (const name of [...names].sort()) {
    const folder = path.join(ROOT, 'node_modules', name);
    const about = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8'));
    const file = readdirSync(folder).find(one => /^(licen[cs]e|copying)/i.test(one));
    const terms = file ? (await readFile(path.join(folder, file), 'utf8')).trim() : '';
    text += `/*! ${name} ${about.version}, ${about.license}\n${terms.replace(/\*\//g, '* /')}\n*/\n`;
  }
  return text;
}

/**
 * @param {string[]} files
 * @returns {string}
 */
const imported = files => files.map(file => `import ${JSON.stringify(file)};\n`).join('');

/**
 * Each `{a, b as c}` that a module imports by name: what it is called there, and the file it is from.
 * @param {string} file
 * @returns {{name: string, from: string}[]}
 */
function importsOf(file) {
  return [...readFileSync(file, 'utf8').matchAll(IMPORT)].flatMap(([, names, from]) =>
    names
      .split(',')
      .map(one => one.trim().split(/\s+as\s+/)[0])
      .filter(name => name && from.startsWith('.'))
      .map(name => ({name, from: path.resolve(path.dirname(file), from)})),
  );
}

/**
 * A catalogue of words as a script that adds them to `Cackle.locales`: those of the core's widgets to the language
 * itself, those of a product's to an object of its name in it, those of other sections to an object of theirs.
 * `words_script` in cackled/transport/bundle_lists.py makes the same for `env = devel`.
 * @param {string} file
 * @param {string[]} sections
 * @param {string} space the product, or ''
 * @param {(key: string) => boolean} keep which words of widgets
 * @returns {string}
 */
function wordsScript(file, sections, space, keep) {
  const language = path.basename(file, '.json');
  const catalogue = JSON.parse(readFileSync(file, 'utf8'));
  const parts = sections.map(section => {
    const name = section === 'widget' ? space : section;
    const target = name ? `c.${name}=c.${name}||{}` : 'c';
    const words = Object.entries(catalogue[section] ?? {}).filter(([key]) => section !== 'widget' || keep(key));
    return `Object.assign(${target},${JSON.stringify(Object.fromEntries(words))});`;
  });
  return `(c=>{c=c.${language}=c.${language}||{};${parts.join('')}})(window.Cackle.locales=window.Cackle.locales||{});\n`;
}

/**
 * The names that a module exports.
 * @param {string} file
 * @returns {string[]}
 */
function exportsOf(file) {
  const text = readFileSync(file, 'utf8');
  const own = [...text.matchAll(/^export\s+(?:async\s+)?(?:function\*?|const|class)\s+(\w+)/gm)].map(found => found[1]);
  const passed = [...text.matchAll(/^export\s*\{([^}]*)\}/gm)].flatMap(found => found[1].split(','));
  const names = passed
    .map(
      one =>
        one
          .trim()
          .split(/\s+as\s+/)
          .pop() ?? '',
    )
    .filter(Boolean);
  return [...own, ...names];
}

class Folder {
  /**
   * @param {string} folder
   * @param {string} core
   * @param {Map<string, string>} outside file -> name of each lazy bundle of the core
   */
  constructor(folder, core, outside) {
    this.folder = folder;
    this.core = core;
    /** @type {Spec} */
    let spec;
    try {
      spec = JSON.parse(readFileSync(path.join(folder, 'bundles.json'), 'utf8'));
    } catch (error) {
      throw new BundleError(`${path.join(folder, 'bundles.json')}: ${/** @type {Error} */ (error).message}`);
    }
    this.spec = spec;
    this.sources = {...spec.bundles, ...spec.lazy};
    this.guests = spec.with ?? {};
    /** @type {Map<string, Map<string, string>>} what each bundle gives to others, once it is known */
    this.gifts = new Map();
    for (const [guest, host] of Object.entries(this.guests)) {
      if (!spec.lazy?.[guest] || !this.sources[host]) throw new BundleError(`with: there is no ${guest} or no ${host}`);
    }
    this.lazies = new Map(outside);
    for (const [name, sources] of Object.entries(spec.lazy ?? {})) {
      const module = sources.find(source => source.endsWith('.js'));
      if (module) this.lazies.set(path.join(folder, module), name);
    }
  }

  /**
   * The file of a source.
   * @param {string} source
   * @returns {string}
   */
  file(source) {
    const file = path.join(this.folder, source);
    const outside = [this.folder, this.core].every(folder => path.relative(folder, file).startsWith('..'));
    if (outside || !existsSync(file)) throw new BundleError(`bundles.json: there is no ${source}`);
    return file;
  }

  /**
   * The files of a bundle; no catalogues.
   * @param {string} name
   * @returns {string[]}
   */
  files(name) {
    return this.sources[name].filter(source => !/\.json(#|$)/.test(source)).map(source => this.file(source));
  }

  /** What its files of words in other languages begin with, and its words stand under: the name of its first bundle. */
  get stem() {
    return path.basename(Object.keys(this.spec.bundles ?? {})[0] ?? '', '.js');
  }

  /**
   * @param {string} source a catalogue
   * @returns {string}
   */
  space(source) {
    return path.relative(this.core, this.file(source)).startsWith('..') ? this.stem : '';
  }

  /**
   * The words of a bundle.
   * @param {string[]} sources
   * @param {(key: string) => boolean} [keep]
   * @returns {string}
   */
  words(sources, keep = () => true) {
    return sources
      .filter(source => /\.json(#|$)/.test(source))
      .map(source => source.split('#'))
      .map(([name, section]) => wordsScript(this.file(name), section ? [section] : SECTIONS, this.space(name), keep))
      .join('');
  }

  /**
   * Whether a bundle that others are loaded with names a word, in quotes; what it does not name comes with them.
   * @param {string[]} inputs its files
   * @returns {(key: string) => boolean}
   */
  namer(inputs) {
    const texts = inputs
      .filter(file => file.endsWith('.js') && existsSync(file))
      .map(file => readFileSync(file, 'utf8'));
    const named = new Set([...texts.join('\n').matchAll(/(['"`])(\w+)\1/g)].map(found => found[2]));
    return key => named.has(key);
  }

  /**
   * Bundles a text that imports things.
   * @param {string} text
   * @param {Set<string>} [shared] files that another bundle has
   * @param {string} [host] its name
   * @param {string[]} [inputs] the guest's files, by which it is known what they take from there
   * @returns {Promise<{code: string, inputs: string[]}>}
   */
  async whole(text, shared = new Set(), host = '', inputs = []) {
    const asked = inputs.filter(file => !shared.has(file)).flatMap(importsOf);
    const places = host ? [...(await this.given(host)).keys()] : [];
    /** @type {esbuild.Plugin} */
    const plugin = {
      name: 'cackle',
      setup: build => {
        build.onResolve({filter: /^\./}, args => {
          const file = path.resolve(args.resolveDir, args.path);
          return shared.has(file) ? {path: file, namespace: 'shared'} : undefined;
        });
        build.onLoad({filter: /\.js$/, namespace: 'file'}, async args => {
          if (/[\\/]node_modules[\\/]/.test(args.path)) return undefined;
          const text = await readFile(args.path, 'utf8');
          /** @type {esbuild.PartialMessage[]} */
          const errors = [];
          const contents = text.replace(DYNAMIC, (all, from) => {
            if (!from) return all;
            const lazy = this.lazies.get(path.resolve(path.dirname(args.path), from));
            if (!lazy)
              errors.push({text: `${from} is no lazy bundle`, location: {file: path.relative(ROOT, args.path)}});
            return `window.Cackle.lazy(${JSON.stringify(lazy)})`;
          });
          return {contents, errors};
        });
        build.onLoad({filter: /./, namespace: 'shared'}, args => {
          const names = [...new Set(asked.filter(one => one.from === args.path).map(one => one.name))];
          const taken = names.map(one => `${places.indexOf(one)}: ${one}`);
          return {contents: names.length ? `export const {${taken}} = window.Cackle[${JSON.stringify(host)}];` : ''};
        });
      },
    };
    const made = await esbuild.build({
      ...COMMON,
      stdin: {contents: text, resolveDir: this.folder, sourcefile: 'bundles.json'},
      absWorkingDir: ROOT,
      bundle: true,
      write: false,
      metafile: true,
      format: 'iife',
      plugins: [plugin],
    });
    return {
      code: made.outputFiles[0].text,
      inputs: Object.keys(made.metafile.inputs).map(one => path.resolve(ROOT, one)),
    };
  }

  /**
   * What a bundle gives to those that are loaded with it: the names that they import from its modules, and the file of
   * each. They know it by its place in this order, which takes fewer bytes than names; all files of a release are fetched
   * below one hash, so both sides are of one build.
   * @param {string} host
   * @returns {Promise<Map<string, string>>}
   */
  async given(host) {
    const known = this.gifts.get(host);
    if (known) return known;
    const own = new Set((await this.whole(imported(this.files(host)))).inputs);
    /** @type {Map<string, string>} */
    const given = new Map();
    for (const guest of Object.keys(this.guests).filter(one => this.guests[one] === host)) {
      const inputs = (await this.whole(imported(this.files(guest)))).inputs;
      for (const one of inputs.filter(file => !own.has(file)).flatMap(importsOf)) {
        if (!own.has(one.from)) continue;
        const other = given.get(one.name);
        if (other && other !== one.from)
          throw new BundleError(`${host}: two modules export ${one.name}, which ${guest} imports`);
        given.set(one.name, one.from);
      }
    }
    this.gifts.set(host, given);
    return given;
  }

  /**
   * @param {string} name
   * @returns {Promise<string>}
   */
  async script(name) {
    const files = this.files(name);
    const imports = imported(files);
    // What whoever imports a lazy bundle gets.
    const names = files.length === 1 && this.spec.lazy?.[name] ? exportsOf(files[0]) : [];
    // By name: a namespace would be filled by `for (.. in ..)`, and pages put things on Object.prototype.
    const gives = names.length
      ? `import {${names}} from ${JSON.stringify(files[0])};\nwindow.Cackle[${JSON.stringify(name)}] = {${names}};\n`
      : '';
    const plain = await this.whole(imports + gives);
    const host = this.guests[name];
    const isHost = Object.values(this.guests).includes(name);
    let text = imports + this.words(this.sources[name], isHost ? this.namer(plain.inputs) : undefined) + gives;
    if (host) {
      const {inputs} = await this.whole(imported(this.files(host)));
      const named = this.namer(inputs);
      const rest = this.words(this.sources[host], key => !named(key));
      const made = await this.whole(rest + text, new Set(inputs), host, plain.inputs);
      return made.code + (await licences(made.inputs));
    }
    const given = await this.given(name);
    for (const [one, file] of given) text += `import {${one}} from ${JSON.stringify(file)};\n`;
    if (given.size) text += `window.Cackle[${JSON.stringify(name)}] = [${[...given.keys()]}];\n`;
    const made = await this.whole(text);
    return made.code + (await licences(made.inputs));
  }

  /**
   * @param {string} name
   * @returns {Promise<string>}
   */
  async style(name) {
    const texts = await Promise.all(this.files(name).map(file => readFile(file, 'utf8')));
    return (await esbuild.transform(texts.join('\n'), {...COMMON, target: undefined, loader: 'css'})).code;
  }

  async build() {
    const {bundles = {}, lazy = {}, widgets = {}, locales = []} = this.spec;
    const out = path.join(this.folder, 'build');
    // Built beside and put in place at once: a daemon that starts meanwhile finds the old or the new.
    const part = `${out}.${process.pid}`;
    await mkdir(part, {recursive: true});
    try {
      for (const name of Object.keys(this.sources)) {
        await writeBundle(path.join(part, name), await (name.endsWith('.css') ? this.style(name) : this.script(name)));
      }
      const catalogues = locales.length ? readdirSync(this.file(locales[0])) : [];
      const languages = catalogues.map(file => path.basename(file, '.json')).filter(one => one !== 'en');
      for (const one of languages) {
        const {code} = await this.whole(this.words(locales.map(where => `${where}/${one}.json`)));
        await writeBundle(path.join(part, `${this.stem}-${one}.js`), code);
      }
      if (existsSync(path.join(this.folder, 'loader.js'))) {
        const text = await readFile(path.join(this.folder, 'loader.js'), 'utf8');
        await writeFile(path.join(part, 'loader.js'), (await esbuild.transform(text, COMMON)).code);
      }
      /** @param {Record<string, string[]>} all */
      const itself = all => Object.fromEntries(Object.keys(all).map(name => [name, [name]]));
      const manifest = {bundles: itself(bundles), lazy: itself(lazy), widgets, languages: languages.sort()};
      await writeFile(path.join(part, 'manifest.json'), JSON.stringify(manifest, null, 1) + '\n');
      await rm(out, {recursive: true, force: true});
      await rename(part, out);
    } finally {
      await rm(part, {recursive: true, force: true});
    }
  }
}

try {
  const [core, ...folders] = process.argv.slice(2).map(one => path.resolve(one));
  const {lazies} = new Folder(core, core, new Map());
  for (const folder of folders) await new Folder(folder, core, lazies).build();
} catch (error) {
  console.error(told(error));
  process.exitCode = 1;
}
