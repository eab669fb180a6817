// Bundles a page's program with the snippets of integrations/ as they are, for tests: snippet.mjs PROGRAM LIBRARIES SNIPPETS
import {readFile} from 'node:fs/promises';
import {createRequire} from 'node:module';
import path from 'node:path';
import * as esbuild from 'esbuild';

const [, , program, libraries, snippets] = process.argv;
const from = createRequire(path.join(libraries, 'index.js'));

// Parts of frameworks that are a whole toolchain, as far as a snippet sees them.
const STANDINS = {
  'next/navigation': `export const usePathname = () => window.shown;`,
  '@docusaurus/router': `export const useLocation = () => ({pathname: window.shown});`,
  '@docusaurus/theme-common': `export const useColorMode = () => ({colorMode: 'dark'});`,
};
const PAGE = `<script>
  import Comments from 'integrations/svelte/Comments.svelte';
  let {server, name} = $props();
  let shown = $state(name);
  export function choose(other) { shown = other; }
</script>
<Comments {server} site={1} channel={shown} />`;

/** @param {string} source @param {string} filename */
function svelte(source, filename) {
  const made = from('svelte/compiler').compile(source, {filename, generate: 'client'});
  return {contents: made.js.code, loader: 'js', resolveDir: snippets};
}

const plugin = {
  name: 'snippets',
  setup(build) {
    build.onResolve({filter: /^integrations\//}, one => ({path: path.join(snippets, one.path.slice(13))}));
    build.onResolve({filter: /^\.\/Page\.svelte$/}, () => ({path: 'Page.svelte', namespace: 'page'}));
    build.onLoad({filter: /.*/, namespace: 'page'}, () => svelte(PAGE, 'Page.svelte'));
    build.onResolve({filter: /^(next\/|@docusaurus\/)/}, one => ({path: one.path, namespace: 'standin'}));
    build.onLoad({filter: /.*/, namespace: 'standin'}, one => ({contents: STANDINS[one.path], loader: 'js'}));
    build.onLoad({filter: /\.svelte$/}, async one => svelte(await readFile(one.path, 'utf8'), one.path));
    build.onLoad({filter: /\.vue$/}, async one => {
      const {parse, compileScript} = from('vue/compiler-sfc');
      const {descriptor, errors} = parse(await readFile(one.path, 'utf8'), {filename: one.path});
      if (errors.length) throw errors[0];
      const {content} = compileScript(descriptor, {id: 'comments', inlineTemplate: true});
      return {contents: content, loader: 'js'};
    });
  },
};

const made = await esbuild.build({
  entryPoints: [program],
  bundle: true,
  write: false,
  format: 'iife',
  target: 'es2022',
  jsx: 'automatic',
  nodePaths: [libraries],
  conditions: ['browser'],
  define: {'process.env.NODE_ENV': '"development"', __VUE_OPTIONS_API__: 'true', __VUE_PROD_DEVTOOLS__: 'false', __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false'},
  plugins: [plugin],
  logLevel: 'error',
});
process.stdout.write(made.outputFiles[0].text);
