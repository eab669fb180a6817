import js from '@eslint/js';
import globals from 'globals';

/** @type {import('eslint').Linter.Config[]} */
export default [
  {
    ignores: [
      'cackled/web/{comments,count,demo,editor,lib,locales}/**/*.js',
      'cackled/web/*.js',
      'tests/browser/node/',
      '**/build/',
      '**/build.*/',
      'tests/browser/hosts/',
      'tests/browser/pages/',
      'cackled/web/demo/',
      '.venv/',
      'var/',
      'docs/',
      'dist/',
    ],
  },
  js.configs.recommended,
  {
    rules: {
      eqeqeq: ['error', 'always', {null: 'ignore'}],
      'no-var': 'error',
      'prefer-const': 'error',
      'no-empty': ['error', {allowEmptyCatch: false}],
    },
  },
  {files: ['**/*.mjs'], languageOptions: {globals: globals.node}},
  {files: ['cackled/web/panel/**/*.js'], languageOptions: {globals: globals.browser}},
];
