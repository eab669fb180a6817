// Makes the files that `env = prod` serves: each folder's `bundles.json` -> `build/`, by esbuild.
//
//     node scripts/packaging/bundle.mjs FOLDER...
//
// cackled/web/README.md tells what stands in `bundles.json`. `build/manifest.json` lists what was made.

import {mkdir, readFile, rename, rm, writeFile} from 'node:fs/promises';
import {existsSync, readdirSync} from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import * as esbuild from 'esbuild';

/**
 * One folder's `bundles.json`. Sources are paths from its folder; of catalogues of words, `locales/en.json`, one section
 * can be named, `locales/en.json#widget`. `locales` are folders of catalogues: each language but English, whose words are
 * in the bundles, has one bundle of all of them.
 * @typedef {object} Spec
 * @property {Record<string, string[]>} [bundles]
 * @property {Record<string, string[]>} [lazy]
 * @property {Record<string, {js?: string[], css?: string[]}>} [widgets]
 * @property {string[]} [packaged]
 * @property {string[]} [locales]
 */

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
// What the oldest browsers of the widgets' list understand; newer syntax is rewritten.
const TARGET = 'es2020';
/** @type {esbuild.CommonOptions} */
const COMMON = {minify: true, target: TARGET, charset: 'utf8', legalComments: 'none', logLevel: 'silent'};

/** What is wrong with the sources, in words for whoever wrote them. */
class BundleError extends Error {}

/**
 * @param {unknown} error
 * @returns {string}
 */
function told(error) {
  const failure = /** @type {Partial<esbuild.BuildFailure>} */ (error);
  if (!failure.errors)
    return error instanceof BundleError ? error.message : String((error instanceof Error && error.stack) || error);
  return failure.errors.map(e => `${e.location ? `${e.location.file}:${e.location.line}: ` : ''}${e.text}`).join('\n');
}

/**
 * The licences of the packages whose files are in a bundle, as a comment to stand at its end.
 * @param {string[]} inputs paths from the root
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
 * A bundle of one ES module and all that it imports.
 * @param {string} entry
 * @returns {Promise<string>}
 */
async function whole(entry) {
  const made = await esbuild.build({
    ...COMMON,
    entryPoints: [entry],
    absWorkingDir: ROOT,
    bundle: true,
    write: false,
    metafile: true,
    format: 'iife',
  });
  return made.outputFiles[0].text + (await licences(Object.keys(made.metafile.inputs)));
}

// Sections of a catalogue that widgets need.
const SECTIONS = ['widget', 'problems'];

/**
 * A catalogue of words as a script that adds them to `Cackle.locales`: those of widgets to the language itself, those of
 * other sections to an object in it. `words_script` in cackled/transport/assets.py makes the same for `env = devel`.
 * @param {string} text
 * @param {string} language
 * @param {string[]} sections
 * @returns {string}
 */
function wordsScript(text, language, sections) {
  const catalogue = JSON.parse(text);
  const parts = sections.map(
    name => `Object.assign(${name === 'widget' ? 'c' : `c.${name}`},${JSON.stringify(catalogue[name] ?? {})});`,
  );
  return `(c=>{c=c.${language}=c.${language}||{problems:{}};${parts.join('')}})(window.Cackle.locales=window.Cackle.locales||{});`;
}

/**
 * @param {string} folder
 * @param {string} name of the bundle
 * @param {string[]} sources
 * @returns {Promise<string>}
 */
async function bundle(folder, name, sources) {
  const texts = await Promise.all(
    sources.map(async source => {
      const [file, section] = path.join(folder, source).split('#');
      if (path.relative(folder, file).startsWith('..') || !existsSync(file))
        throw new BundleError(`${name}: there is no ${source}`);
      const text = await readFile(file, 'utf8');
      if (!file.endsWith('.json')) return text;
      return wordsScript(text, path.basename(file, '.json'), section ? [section] : SECTIONS);
    }),
  );
  if (name.endsWith('.css'))
    return (await esbuild.transform(texts.join('\n'), {...COMMON, target: undefined, loader: 'css'})).code;
  if (sources.length === 1 && /^(import|export)\b/m.test(texts[0])) return whole(path.join(folder, sources[0]));
  // Plain scripts, one behind another.
  const made = texts.map((text, at) => esbuild.transform(text, {...COMMON, sourcefile: sources[at]}));
  return (await Promise.all(made)).map(one => one.code).join('');
}

/**
 * @param {string} folder
 * @returns {Promise<void>}
 */
async function build(folder) {
  /** @type {Spec} */
  let spec;
  try {
    spec = JSON.parse(await readFile(path.join(folder, 'bundles.json'), 'utf8'));
  } catch (error) {
    throw new BundleError(`${path.join(folder, 'bundles.json')}: ${/** @type {Error} */ (error).message}`);
  }
  const {bundles = {}, lazy = {}, widgets = {}, locales = []} = spec;
  const out = path.join(folder, 'build');
  // Built beside and put in place at once: a daemon that starts meanwhile finds the old or the new.
  const part = `${out}.${process.pid}`;
  await mkdir(part, {recursive: true});
  try {
    for (const [name, sources] of Object.entries({...bundles, ...lazy})) {
      await writeFile(path.join(part, name), await bundle(folder, name, sources));
    }
    const catalogues = locales.length ? readdirSync(path.join(folder, locales[0])) : [];
    const languages = catalogues.map(file => path.basename(file, '.json')).filter(one => one !== 'en');
    for (const one of languages.sort()) {
      const name = `locale-${one}.js`;
      await writeFile(
        path.join(part, name),
        await bundle(
          folder,
          name,
          locales.map(where => `${where}/${one}.json`),
        ),
      );
    }
    if (existsSync(path.join(folder, 'loader.js'))) {
      const text = await readFile(path.join(folder, 'loader.js'), 'utf8');
      await writeFile(path.join(part, 'loader.js'), (await esbuild.transform(text, COMMON)).code);
    }
    /** @param {Record<string, string[]>} all */
    const itself = all => Object.fromEntries(Object.keys(all).map(name => [name, [name]]));
    const manifest = {bundles: itself(bundles), lazy: itself(lazy), widgets, languages};
    await writeFile(path.join(part, 'manifest.json'), JSON.stringify(manifest, null, 1) + '\n');
    await rm(out, {recursive: true, force: true});
    await rename(part, out);
  } finally {
    await rm(part, {recursive: true, force: true});
  }
}

try {
  for (const folder of process.argv.slice(2)) await build(path.resolve(folder));
} catch (error) {
  console.error(told(error));
  process.exitCode = 1;
}
