// A reporter of `node --test` for check.py: one JSON object a line for each test, and for what tests wrote.

/**
 * @param {AsyncIterable<{type: string, data: any}>} events
 * @returns {AsyncGenerator<string>}
 */
export default async function* report(events) {
  for await (const {type, data} of events) {
    if (type === 'test:stdout' || type === 'test:stderr') yield JSON.stringify({output: data.message}) + '\n';
    if ((type !== 'test:pass' && type !== 'test:fail') || data.details?.type === 'suite') continue;
    const skipped = data.skip !== undefined || data.todo !== undefined;
    const error = data.details?.error;
    const text = skipped ? String(data.skip || data.todo) : String(error?.cause?.stack ?? error?.cause ?? error ?? '');
    const outcome = skipped ? 'skipped' : type === 'test:pass' ? 'passed' : 'failed';
    yield JSON.stringify({name: data.name, line: data.line, outcome, text}) + '\n';
  }
}
