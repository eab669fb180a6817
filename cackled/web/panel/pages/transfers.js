// Imports and exports of a site: upload a file, watch, answer what is asked, take it back; make a file and fetch it.
import {html, useEffect, useRef, useState} from '../libraries.js';
import {ask, get, post, remove} from '../api.js';
import {complain, toast} from '../toasts.js';
import {Confirm} from '../ui/dialog.js';
import {Check, Choice, Field, Form} from '../ui/form.js';
import {FreshDialog} from '../ui/fresh.js';
import {Empty, Loaded, useLoad} from '../ui/load.js';
import {Heading, Mark, Progress, Tabs, When} from '../ui/parts.js';
import {Table} from '../ui/table.js';
import {bytes, has, number, t} from '../words.js';

/**
 * @typedef {{id: string, product: string, format: string, name: string, who: string, dry: boolean, state: string,
 *   error: string, size: number, received: number, done: number, items: number, added: number, present: number,
 *   created: string, ended: string | null, actions: string[], choices: string[], report: any,
 *   pictures: {wished: number, taken: number, waiting: number, failed: Record<string, number>} | null}} Run
 * @typedef {{name: string, title: string, product: string, endings?: string[]}} Format
 * @typedef {{id: string, product: string, format: string, who: string, state: string, error: string, done: number,
 *   size: number, created: string, ended: string | null, actions: string[]}} Export
 */

const KINDS = /** @type {Record<string, string>} */ ({done: 'good', failed: 'bad', asked: 'warn', stopped: 'warn'});
const MOVING = ['uploading', 'waiting', 'reading', 'writing', 'undoing'];
const SLICE = 1_048_576;
// Milliseconds between two looks at what moves.
const EVERY = 1500;
const MOST_MAP = 1_000_000;

/** @param {{site: string, current: string}} props */
const Both = ({site, current}) =>
  html`<${Tabs}
    label=${t('nav.transfers')}
    current=${`/sites/${site}/${current}`}
    tabs=${[
      [`/sites/${site}/imports`, t('transfer.imports')],
      [`/sites/${site}/exports`, t('transfer.exports')],
    ]}
  />`;

/** Looks again while something moves. @param {boolean} moving @param {() => any} again */
function useWatch(moving, again) {
  const now = useRef(again);
  now.current = again;
  useEffect(() => {
    if (!moving) return;
    const timer = setInterval(() => document.hidden || now.current(), EVERY);
    return () => clearInterval(timer);
  }, [moving]);
}

/** @param {{site: string}} props */
export function ImportsPage({site}) {
  const base = `/sites/${site}/imports`;
  const loaded = useLoad(signal => get(base, {}, signal), [base]);
  const runs = /** @type {Run[]} */ (loaded.value?.imports || []);
  useWatch(
    runs.some(
      one => MOVING.includes(one.state) || !one.actions.length || (one.pictures?.waiting && one.state !== 'undone'),
    ),
    loaded.again,
  );
  return html`<div class="page">
    <${Heading} lead=${t('transfer.lead')}>${t('nav.transfers')}<//>
    <${Both} site=${site} current="imports" />
    <${Loaded} from=${loaded}>
      ${(/** @type {{imports: Run[], formats: Format[]}} */ found) =>
        html`<${Begin} base=${base} formats=${found.formats} onDone=${loaded.again} />
          <section class="stack" aria-label=${t('transfer.imports')}>
            <h2>${t('transfer.imports')}</h2>
            ${
              found.imports.length
                ? found.imports.map(
                    one =>
                      html`<${One}
                        key=${one.id}
                        run=${one}
                        base=${base}
                        formats=${found.formats}
                        onDone=${loaded.again}
                      />`,
                  )
                : html`<${Empty}>${t('transfer.none')}<//>`
            }
          </section>`}
    <//>
  </div>`;
}

/** @param {Format[]} formats @returns {[string, string][]} */
const choices = formats => formats.map(one => [one.name, one.title]);

/** What is to come. @param {{base: string, formats: Format[], onDone: () => Promise<void>}} props */
function Begin({base, formats, onDone}) {
  const [file, setFile] = useState(/** @type {File | null} */ (null));
  const [format, setFormat] = useState('');
  const [dry, setDry] = useState(true);
  const [host, setHost] = useState('');
  const [by, setBy] = useState('address');
  const [map, setMap] = useState('');
  const [spam, setSpam] = useState(true);
  const [avatars, setAvatars] = useState(false);
  const [photos, setPhotos] = useState(false);
  const [sent, setSent] = useState(-1);
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  const submit = async () => {
    if (!file) return;
    const begun = {size: file.size, name: file.name.slice(0, 200), format, dry, host, by, map, spam, avatars, photos};
    const made = await post(base, begun);
    try {
      setSent(0);
      for (let at = 0; at < file.size; at += SLICE) {
        await piece(`${base}/${made.id}/file`, at, file.slice(at, at + SLICE));
        setSent(Math.min(at + SLICE, file.size));
      }
    } finally {
      setSent(-1);
      await onDone();
    }
    setFile(null);
    if (input.current) input.current.value = '';
    toast(t('transfer.sent'));
  };
  return html`<${Form} onSubmit=${submit} label=${t('transfer.begin')} disabled=${!file}>
    <div class="field">
      <label for="transfer-file">${t('transfer.file')}</label>
      <input
        id="transfer-file"
        ref=${input}
        type="file"
        aria-describedby="transfer-hint"
        onChange=${(/** @type {any} */ event) => setFile(event.currentTarget.files[0] || null)}
      />
      <p class="hint" id="transfer-hint">${t('transfer.file.hint')}</p>
    </div>
    <${Choice}
      label=${t('transfer.format')}
      value=${format}
      options=${[['', t('transfer.format.auto')], ...choices(formats)]}
      onInput=${setFormat}
    />
    <${Check} label=${t('transfer.dry')} checked=${dry} onInput=${setDry} />
    <details>
      <summary>${t('transfer.more')}</summary>
      <div class="stack">
        <${Field}
          label=${t('transfer.host')}
          hint=${t('transfer.host.hint')}
          maxlength="300"
          value=${host}
          onInput=${setHost}
        />
        <${Choice}
          label=${t('transfer.by')}
          value=${by}
          options=${[
            ['address', t('transfer.by.address')],
            ['name', t('transfer.by.name')],
          ]}
          onInput=${setBy}
        />
        <${Field}
          label=${t('transfer.map')}
          hint=${t('transfer.map.hint')}
          area
          rows="4"
          dir="ltr"
          maxlength=${MOST_MAP}
          value=${map}
          onInput=${setMap}
        />
        <input
          type="file"
          accept=".csv,text/csv"
          aria-label=${t('transfer.map.file')}
          onChange=${async (/** @type {any} */ event) => {
            const [chosen] = event.currentTarget.files;
            if (chosen) setMap((await chosen.text()).slice(0, MOST_MAP));
          }}
        />
        <${Check} label=${t('transfer.spam')} checked=${spam} onInput=${setSpam} />
        <${Check} label=${t('transfer.avatars')} checked=${avatars} onInput=${setAvatars} />
        <${Check} label=${t('transfer.photos')} checked=${photos} onInput=${setPhotos} />
      </div>
    </details>
    ${sent >= 0 && html`<${Progress} label=${t('transfer.state.uploading')} done=${sent} total=${file?.size || 0} />`}
  <//>`;
}

const TRIES = 6;

/** Sends a piece; a connection that broke is tried again: the same piece twice does no harm. @param {string} path @param {number} at @param {Blob} body */
async function piece(path, at, body) {
  for (let turn = 1; ; turn++) {
    try {
      await ask('PUT', path, {query: {at}, body});
      return;
    } catch (error) {
      const {status, after} = /** @type {import('../api.js').Refused} */ (error);
      if (turn >= TRIES || ![0, 429, 503].includes(status)) throw error;
      await new Promise(done => setTimeout(done, (after || turn * 2) * 1000));
    }
  }
}

/** @param {{run: Run, base: string, formats: Format[], onDone: () => Promise<void>}} props */
function One({run, base, formats, onDone}) {
  const [asked, setAsked] = useState('');
  const [chosen, setChosen] = useState(run.choices[0] || '');
  const title = formats.find(one => one.name === run.format)?.title || run.format;
  /** @param {string} action @param {string} [format] */
  const act = async (action, format = '') => {
    setAsked('');
    try {
      await post(`${base}/${run.id}/actions`, {action, format});
      await onDone();
    } catch (error) {
      complain(error);
    }
  };
  const moves = MOVING.includes(run.state);
  const [done, total] =
    run.state === 'uploading'
      ? [run.received, run.size]
      : run.state === 'writing'
        ? [run.added + run.present, run.items]
        : [run.done, run.size];
  const heading = `import-${run.id}`;
  return html`<article class="box stack" aria-labelledby=${heading}>
    <h3 id=${heading}><bdi>${run.name || title || run.id}</bdi></h3>
    <p>
      <${Mark} kind=${KINDS[run.state] || ''}>${t(`transfer.state.${run.state}`)}<//>
      ${run.dry && html` <${Mark}>${t('transfer.dry.mark')}<//>`} ${title} · ${bytes(run.size)} ·${' '}
      <bdi>${run.who}</bdi> · <${When} at=${run.created} />
    </p>
    ${moves && html`<${Progress} label=${t(`transfer.state.${run.state}`)} done=${done} total=${total} />`}
    ${run.error && html`<p class="wrong" dir="auto">${run.error}</p>`}
    <${Report} run=${run} />
    ${
      run.state === 'asked' &&
      html`<${Choice}
        label=${t('transfer.question')}
        value=${chosen || run.choices[0]}
        options=${choices(formats.filter(one => run.choices.includes(one.name)))}
        onInput=${setChosen}
      />`
    }
    ${
      run.actions.length > 0 &&
      html`<div class="actions">
        ${run.actions.map(
          one =>
            html`<button
              key=${one}
              type="button"
              class=${one === 'undo' ? 'danger' : one === 'bring' || one === 'answer' ? 'primary' : ''}
              aria-describedby=${heading}
              onClick=${() => (one === 'undo' ? setAsked(one) : act(one, one === 'answer' ? chosen || run.choices[0] : ''))}
            >
              ${t(`transfer.action.${one}`)}
            </button>`,
        )}
      </div>`
    }
    ${
      asked &&
      html`<${Confirm}
        title=${t('transfer.action.undo')}
        text=${t('transfer.undo.text')}
        label=${t('transfer.action.undo')}
        onYes=${() => act('undo')}
        onClose=${() => setAsked('')}
      />`
    }
  </article>`;
}

/** What comes, what does not and why. @param {{run: Run}} props */
function Report({run}) {
  const {report, pictures} = run;
  if (report.items === undefined) return null;
  const ended = run.state !== 'reading' && run.state !== 'writing';
  const rows = [
    [t('transfer.pages'), report.pages],
    [run.dry ? t('transfer.would') : t('transfer.added'), run.dry && ended ? report.added : run.added],
    [t('transfer.present'), run.dry && ended ? report.present : run.present],
    ...Object.entries(report.left || {}).map(([why, count]) => [
      `${t('transfer.left')}: ${t(`transfer.reason.${why}`)}`,
      count,
      (report.examples?.[why] || []).slice(0, 5).join(', '),
    ]),
    ...Object.entries(report.changed || {}).map(([why, count]) => [
      `${t('transfer.changed')}: ${t(`transfer.change.${why}`)}`,
      count,
      '',
    ]),
    ...(run.dry && report.pictures ? [[t('transfer.pictures'), report.pictures]] : []),
    ...(pictures && run.state !== 'undone' ? pictureRows(pictures) : []),
  ];
  return html`<dl class="facts">
    ${rows.map(
      ([label, count, some]) =>
        html`<div key=${label}>
          <dt>${label}</dt>
          <dd>${number(count)} ${some && html`<bdi class="muted code">${some}</bdi>`}</dd>
        </div>`,
    )}
  </dl>`;
}

/** How far pictures are. @param {NonNullable<Run['pictures']>} pictures */
const pictureRows = pictures => [
  [t('transfer.pictures.taken'), pictures.taken],
  ...(pictures.waiting ? [[t('transfer.pictures.waiting'), pictures.waiting]] : []),
  ...Object.entries(pictures.failed).map(([why, count]) => [
    `${t('transfer.pictures.failed')}: ${t(`transfer.picture.${why}`)}`,
    count,
  ]),
];

/** @param {string} product */
const productName = product => (has(`product.${product}`) ? t(`product.${product}`) : product);

/** @param {{site: string}} props */
export function ExportsPage({site}) {
  const base = `/sites/${site}/exports`;
  const loaded = useLoad(signal => get(base, {}, signal), [base]);
  const [chosen, setChosen] = useState('');
  /** What is fetched once somebody has shown that it is them. */
  const [wanted, setWanted] = useState(/** @type {Export | null} */ (null));
  const runs = /** @type {Export[]} */ (loaded.value?.exports || []);
  useWatch(
    runs.some(one => one.state === 'waiting' || one.state === 'writing'),
    loaded.again,
  );
  /** @param {() => Promise<any>} what */
  const act = async what => {
    try {
      await what();
    } catch (error) {
      complain(error);
    }
    await loaded.again();
  };
  /** @param {Export} one */
  const fetchFile = async one => {
    try {
      const link = await post(`${base}/${one.id}/link`);
      location.assign(new URL(link.url, location.href).pathname);
    } catch (error) {
      if (/** @type {import('../api.js').Refused} */ (error).slug === 'not-fresh') {
        setWanted(one);
        return;
      }
      complain(error);
      await loaded.again();
    }
  };
  return html`<div class="page">
    <${Heading} lead=${t('transfer.lead')}>${t('nav.transfers')}<//>
    <${Both} site=${site} current="exports" />
    <${Loaded} from=${loaded}>
      ${(/** @type {{exports: Export[], formats: Format[]}} */ found) => {
        const options = /** @type {[string, string][]} */ (
          found.formats.map(one => [`${one.product}/${one.name}`, `${productName(one.product)}: ${one.title}`])
        );
        return html`<${Form}
            label=${t('transfer.export')}
            onSubmit=${async () => {
              const [product, format] = (chosen || options[0][0]).split('/');
              await post(base, {product, format});
              await loaded.again();
            }}
          >
            <${Choice}
              label=${t('transfer.format')}
              value=${chosen || options[0][0]}
              options=${options}
              onInput=${setChosen}
              hint=${t('transfer.export.hint')}
            />
          <//>
          <${Table}
            label=${t('transfer.exports')}
            rows=${found.exports}
            id=${(/** @type {Export} */ one) => one.id}
            empty=${t('transfer.export.none')}
            columns=${[
              {
                label: t('transfer.format'),
                cell: (/** @type {Export} */ one) =>
                  html`<span class="code">${one.product}/${one.format}</span> <${When} at=${one.created} />`,
              },
              {
                label: t('hooks.state'),
                cell: (/** @type {Export} */ one) =>
                  html`<${Mark} kind=${KINDS[one.state] || ''}>${t(`transfer.state.${one.state}`)}<//> ${one.error}`,
              },
              {
                label: t('transfer.size'),
                number: true,
                cell: (/** @type {Export} */ one) => bytes(one.state === 'done' ? one.size : one.done),
              },
              {
                label: t('actions'),
                hidden: true,
                cell: (/** @type {Export} */ one) =>
                  html`<div class="actions end">
                    ${
                      one.actions.includes('download') &&
                      html`<button type="button" onClick=${() => fetchFile(one)}>${t('transfer.download')}</button>`
                    }
                    ${
                      one.actions.includes('stop') &&
                      html`<button type="button" onClick=${() => act(() => remove(`${base}/${one.id}`))}>
                        ${one.state === 'done' ? t('remove') : t('transfer.action.stop')}
                      </button>`
                    }
                  </div>`,
              },
            ]}
          />`;
      }}
    <//>
    ${
      wanted &&
      html`<${FreshDialog}
        title=${t('transfer.download')}
        act=${() => fetchFile(wanted)}
        onClose=${() => setWanted(null)}
      />`
    }
  </div>`;
}
