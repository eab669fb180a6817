// The base styles of the Tailwind plugin for forms, with the values of a theme that says nothing. NODE_PATH names what is installed.
const Module = require('node:module'), resolve = Module._resolveFilename;
Module._resolveFilename = (name, ...more) => resolve(name.replace(/^tailwindcss(?=\/|$)/, 'tailwind-3'), ...more);
const rules = [], css = (selector, style) => selector + ' {' + Object.entries(style).map(([key, value]) =>
  value && typeof value === 'object' && !Array.isArray(value) ? css(key, value) : [].concat(value).map(v => `${key}: ${v};`).join(' ')).join('\n') + '}\n';
require('@tailwindcss/forms')({strategy: 'base'}).handler({addBase: more => rules.push(...[].concat(more)), addComponents() {}, theme: (_, none) => none, e: name => name});
rules.forEach(rule => Object.entries(rule).forEach(([selector, style]) => process.stdout.write(css(selector, style))));
