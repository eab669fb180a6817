// The pages beside the console, a bundle of its own: it is fetched when one of them is opened.
import {BoardPage} from './board.js';
import {CannedPage} from './canned_page.js';
import {DepartmentsPage} from './departments_page.js';
import {HoursPage} from './hours_page.js';
import {MacrosPage} from './macros_page.js';
import {ReportPage} from './report_page.js';
import english from './pages/locales/en.json' with {type: 'json'};
import {SetupPage} from './setup_page.js';
import {extend} from '../words.js';

/** The words of these pages, before one is shown. */
export const ready = () => extend('chatpages', /** @type {any} */ (english.panel));

export const pages = /** @type {Record<string, any>} */ ({
  board: BoardPage,
  report: ReportPage,
  replies: CannedPage,
  macros: MacrosPage,
  departments: DepartmentsPage,
  hours: HoursPage,
  setup: SetupPage,
});
