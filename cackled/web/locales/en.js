/* English, the words of last resort: part of the main bundle. A plural is an object by Intl.PluralRules category. */
(window.Cackle.locales = window.Cackle.locales || {}).en = {
  comments: {one: '{n} comment', other: '{n} comments'}, title: 'Comments', online: {one: '{n} reading', other: '{n} reading'},
  sort: 'Sort by', best: 'Best', 'new': 'New', old: 'Old',
  join: 'Join the discussion', replyTo: 'Reply to {name}', name: 'Your name (optional)', post: 'Post', reply: 'Reply', save: 'Save', cancel: 'Cancel',
  format: 'Formatting', marks: 'Bold|Italic|Strikethrough|Code|Quote|List|Link', left: {one: '{n} character left', other: '{n} characters left'}, over: {one: '{n} character too long', other: '{n} characters too long'},
  empty: 'No comments yet. Be the first.', closed: 'Comments are closed.', guest: 'Guest', you: 'You', edited: 'edited', editedAt: 'Edited {time}',
  deleted: 'This comment was deleted', blocked: 'You blocked this author', show: 'Show', unblock: 'Unblock', linked: 'The linked comment is on another page.',
  up: 'Vote up', down: 'Vote down', score: 'Score', more: 'More', edit: 'Edit', 'delete': 'Delete', copy: 'Copy link', copied: 'Link copied',
  flag: 'Report', flagged: 'Reported. Thank you.', block: 'Block author', to: 'to {name}',
  collapse: 'Hide replies to {name}', expand: 'Show thread', replies: {one: '{n} reply', other: '{n} replies'},
  moreReplies: {one: 'Show {n} more reply', other: 'Show {n} more replies'}, loadMore: 'More comments',
  fresh: {one: '{n} new comment', other: '{n} new comments'}, freshBy: 'New comment by {name}',
  typing1: '{name} is writing…', typing2: '{name} and {other} are writing…', typingMany: 'Several people are writing…',
  offline: 'Reconnecting…', sending: 'Sending', unsent: 'Not sent.', retry: 'Retry', discard: 'Discard', now: 'just now',
  unavailable: 'Comments aren’t available on this page.', readonly: 'Comments can only be read on this page.', outdated: 'Your browser is too old for the comments.',
  loadFailed: 'Comments can’t be loaded right now.', tryAgain: 'Try again',
  fast: {one: 'That’s a bit fast. Try again in {n} second.', other: 'That’s a bit fast. Try again in {n} seconds.'},
  network: 'There is no connection to the server.', busy: 'The server can’t take this right now.', forbidden: 'You aren’t allowed to do this.', banned: 'You can’t write here.', gone: 'It’s no longer there.',
  late: 'The time for editing is over.', wrong: 'That didn’t work. Please try again.',
  safe: 'Your text is safe.', undo: 'Undo', kept: 'Your text is kept for later.', discarded: 'Discarded.', dead: 'The linked comment is no longer there.',
  upOf: 'Vote up {name}’s comment', downOf: 'Vote down {name}’s comment', acts: 'Actions for {name}’s comment', all: 'Read more', skip: 'Skip the comments', emoji: 'Emoji', preview: 'Preview', nothing: 'Nothing to preview yet.', below: 'Your comment is at the end. Show it'
};
