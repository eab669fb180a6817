// The pages of the chat beside the console, as tabs.
import {html} from '../libraries.js';
import {may} from '../session.js';
import {Heading, Tabs} from '../ui/parts.js';
import {t} from '../words.js';

/** @param {{site: string, current: string, aside?: any, lead?: any}} props */
export const Head = ({site, current, aside, lead}) =>
  html` <${Heading} aside=${aside} lead=${lead}>${t(`chat.${current}`)}<//>
    <${Tabs}
      label=${t('nav.chat')}
      current=${`/sites/${site}/chat/${current}`}
      tabs=${[
        [`/sites/${site}/chat`, t('nav.chat')],
        [`/sites/${site}/chat/board`, t('chat.board')],
        [`/sites/${site}/chat/report`, t('chat.report')],
        [`/sites/${site}/chat/replies`, t('chat.replies')],
        [`/sites/${site}/chat/macros`, t('chat.macros')],
        [`/sites/${site}/chat/departments`, t('chat.departments')],
        ...(may(site, 'admin')
          ? [
              [`/sites/${site}/chat/hours`, t('chat.hours')],
              [`/sites/${site}/chat/setup`, t('chat.setup')],
            ]
          : []),
      ]}
    />`;
