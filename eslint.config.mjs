import js from '@eslint/js';
import globals from 'globals';

/** @type {import('eslint').Linter.Config[]} */
export default [
  {
    ignores: [
      'tests/browser/node/',
      '**/build/',
      '**/build.*/',
      'tests/browser/hosts/',
      'tests/browser/frameworks/',
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
      'no-unused-vars': ['error', {argsIgnorePattern: '^_'}],
      'no-empty': ['error', {allowEmptyCatch: false}],
    },
  },
  {files: ['**/web/**/*.js', 'integrations/**/*.js'], languageOptions: {globals: globals.browser}},
  {files: ['cackled/web/loader.js'], languageOptions: {globals: {__CACKLE_CONFIG__: 'readonly'}}},
  // Not yet typed.
  {
    files: ['cackled/products/comments/web/{count,markup}.js', 'cackled/web/people/*.js'],
    rules: {'no-var': 'off', 'prefer-const': 'off', 'no-unused-vars': 'off'},
  },
  {files: ['**/*.mjs'], languageOptions: {globals: globals.node}},
];
