// What the panel takes from packages, in one module: in devel it is served as it was built, for browsers can't resolve
// the names of packages.
export {h, render, Fragment} from 'preact';
export {useEffect, useLayoutEffect, useMemo, useRef, useState, useCallback, useId} from 'preact/hooks';
export {signal, computed, effect, batch, useSignal, useComputed, useSignalEffect} from '@preact/signals';
import {h} from 'preact';
import htm from 'htm';

// Its types say that it is a namespace; it is a function.
export const html = /** @type {(strings: TemplateStringsArray, ...values: any[]) => any} */ (
  /** @type {any} */ (htm).bind(h)
);
