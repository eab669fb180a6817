// Every page of the panel: its path, who may see it, what shows it. A page is a module of `pages/` and a line here.
import {AccountPage} from './pages/account.js';
import {AuditPage} from './pages/audit.js';
import {BansPage} from './pages/bans.js';
import {ChatPage, ChatStart} from './pages/chat.js';
import {DeletionPage, HostsPage, UsagePage} from './pages/hosts.js';
import {InvitationPage} from './pages/invitation.js';
import {ForgottenPage, ResetPage, SignupPage} from './pages/joining.js';
import {Link} from './pages/link.js';
import {LookPage} from './pages/look.js';
import {MailPage} from './pages/mail.js';
import {MembersPage} from './pages/members.js';
import {Missing} from './pages/missing.js';
import {PeoplePage} from './pages/people.js';
import {PollPage, PollsPage} from './pages/polls.js';
import {ProvidersPage} from './pages/providers.js';
import {QueuePage} from './pages/queue.js';
import {RequestsPage, ReviewsPage} from './pages/reviews.js';
import {ReviewFormPage} from './pages/reviews_form.js';
import {RulesPage} from './pages/rules.js';
import {SettingsPage} from './pages/settings.js';
import {SignIn} from './pages/signin.js';
import {KeysPage} from './pages/site_keys.js';
import {Home, Sites} from './pages/sites.js';
import {SpamPage} from './pages/spam.js';
import {StatisticsPage} from './pages/statistics.js';
import {ExportsPage, ImportsPage} from './pages/transfers.js';
import {WebhookPage, WebhooksPage} from './pages/webhooks.js';

/**
 * @typedef {object} Page
 * @property {string} path
 * @property {any} show a component; it gets the values of the path
 * @property {import('./session.js').Role} [role] what it takes on the site of the path
 * @property {boolean} [open] also for whoever is not signed in
 */

/** @type {Page[]} */
export const PAGES = [
  {path: '/', show: Sites},
  {path: '/signin', show: SignIn, open: true},
  {path: '/link', show: Link, open: true},
  {path: '/account', show: AccountPage},
  {path: '/forgotten', show: ForgottenPage, open: true},
  {path: '/reset', show: ResetPage, open: true},
  {path: '/signup', show: SignupPage, open: true},
  {path: '/invitation', show: InvitationPage, open: true},
  {path: '/chat', show: ChatStart},
  {path: '/sites/:site', show: Home},
  {path: '/sites/:site/queue', show: QueuePage, role: 'moderator'},
  {path: '/sites/:site/chat', show: ChatPage, role: 'operator'},
  {path: '/sites/:site/chat/:part', show: ChatPage, role: 'operator'},
  {path: '/sites/:site/bans', show: BansPage, role: 'moderator'},
  {path: '/sites/:site/settings', show: SettingsPage, role: 'analyst'},
  {path: '/sites/:site/hosts', show: HostsPage, role: 'analyst'},
  {path: '/sites/:site/mail', show: MailPage, role: 'admin'},
  {path: '/sites/:site/look', show: LookPage, role: 'analyst'},
  {path: '/sites/:site/providers', show: ProvidersPage, role: 'admin'},
  {path: '/sites/:site/polls', show: PollsPage, role: 'moderator'},
  {path: '/sites/:site/polls/:poll', show: PollPage, role: 'moderator'},
  {path: '/sites/:site/reviews', show: ReviewsPage, role: 'moderator'},
  {path: '/sites/:site/reviews/requests', show: RequestsPage, role: 'moderator'},
  {path: '/sites/:site/reviews/form', show: ReviewFormPage, role: 'moderator'},
  {path: '/sites/:site/usage', show: UsagePage, role: 'analyst'},
  {path: '/sites/:site/deletion', show: DeletionPage, role: 'admin'},
  {path: '/sites/:site/members', show: MembersPage, role: 'admin'},
  {path: '/sites/:site/keys', show: KeysPage, role: 'admin'},
  {path: '/sites/:site/webhooks', show: WebhooksPage, role: 'admin'},
  {path: '/sites/:site/webhooks/:webhook', show: WebhookPage, role: 'admin'},
  {path: '/sites/:site/imports', show: ImportsPage, role: 'admin'},
  {path: '/sites/:site/people', show: PeoplePage, role: 'admin'},
  {path: '/sites/:site/exports', show: ExportsPage, role: 'admin'},
  {path: '/sites/:site/audit', show: AuditPage, role: 'analyst'},
  {path: '/sites/:site/rules', show: RulesPage, role: 'moderator'},
  {path: '/sites/:site/statistics', show: StatisticsPage, role: 'analyst'},
  {path: '/sites/:site/spam', show: SpamPage, role: 'analyst'},
];

export {Missing, SignIn};
