// What an open chat is drawn with, a bundle of its own: it is fetched when the first chat is opened, or soon.
import {Card} from './card.js';
import {DeedDialog, deedsOf} from './deeds.js';
import {TalkView} from './talk_view.js';

export const talk = {Card, DeedDialog, TalkView, deedsOf};
