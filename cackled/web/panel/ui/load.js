// What is fetched for a page: its room is kept while it comes, and a refusal says what to do.
import {html, useEffect, useRef, useState} from '../libraries.js';
import {reason, t} from '../words.js';

/**
 * What a function of the server gives, asked again when *depends* changes.
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} fetcher
 * @param {any[]} depends
 * @returns {{value: T | undefined, error: any, busy: boolean, again: () => Promise<void>, set: (value: T) => void}}
 */
export function useLoad(fetcher, depends) {
  const [state, setState] = useState(/** @type {{value?: T, error?: any, busy: boolean}} */ ({busy: true}));
  const running = useRef(/** @type {AbortController | null} */ (null));
  const again = async () => {
    running.current?.abort();
    const control = (running.current = new AbortController());
    setState(old => ({...old, busy: true}));
    try {
      const value = await fetcher(control.signal);
      if (!control.signal.aborted) setState({value, busy: false});
    } catch (error) {
      if (!control.signal.aborted) setState(old => ({value: old.value, error, busy: false}));
    }
  };
  useEffect(() => {
    again();
    return () => running.current?.abort();
  }, depends);
  return {
    value: state.value,
    error: state.error,
    busy: state.busy,
    again,
    set: value => setState({value, busy: false}),
  };
}

/**
 * Shows what `useLoad` gave: *children* is called with the value.
 * @param {{from: {value: any, error: any, busy: boolean, again: () => void}, rows?: number, children: (value: any) => any}} props
 */
export function Loaded({from, rows = 3, children}) {
  if (from.value !== undefined) {
    return html`${
      from.error &&
      html`<p class="wrong" role="alert">
        ${reason(from.error)} <button type="button" class="link" onClick=${from.again}>${t('again')}</button>
      </p>`
    }${children(from.value)}`;
  }
  if (from.error) {
    return html`<div class="empty" role="alert">
      <p>${reason(from.error)}</p>
      <button type="button" onClick=${from.again}>${t('again')}</button>
    </div>`;
  }
  return html`<div class="skeleton" aria-busy="true" aria-label=${t('loading')}>
    ${Array.from({length: rows}, (_, i) => html`<div key=${i}></div>`)}
  </div>`;
}

/** @param {{children?: any}} props */
export const Empty = ({children}) => html`<div class="empty">${children}</div>`;
