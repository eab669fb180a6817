// Runs api_types.py by the Python that has the package: that of PYTHON, of the active environment, or of .venv.

import {spawnSync} from 'node:child_process';
import {existsSync} from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const {PYTHON, VIRTUAL_ENV} = process.env;
const known = [
  PYTHON,
  VIRTUAL_ENV && path.join(VIRTUAL_ENV, 'bin', 'python'),
  path.join(ROOT, '.venv', 'bin', 'python'),
];
const python = known.find(one => one && existsSync(one)) ?? 'python3';
const done = spawnSync(python, [path.join(ROOT, 'scripts', 'packaging', 'api_types.py')], {encoding: 'utf8'});
if (done.status !== 0) {
  console.error(
    `${python} could not make types/api.d.ts: ${(done.stderr || String(done.error)).trim().split('\n').pop()}`,
  );
  process.exitCode = 1;
}
