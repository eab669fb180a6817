(window.Cackle.locales = window.Cackle.locales || {}).ja = {
  comments: {other: 'コメント {n} 件'}, title: 'コメント', online: {other: '{n} 人が閲覧中'},
  sort: '並び順', best: '人気順', 'new': '新しい順', old: '古い順',
  join: 'コメントを書く', replyTo: '{name} さんに返信', name: 'お名前', post: '投稿', reply: '返信', save: '保存', cancel: 'キャンセル',
  format: '書式', marks: '太字|斜体|取り消し線|コード|引用|リスト|リンク', left: {other: '残り {n} 文字'}, over: {other: '{n} 文字超過'},
  empty: 'まだコメントはありません。最初のコメントをどうぞ。', closed: 'コメントの受付は終了しました。', guest: 'ゲスト', you: 'あなた', edited: '編集済み', editedAt: '{time} に編集',
  deleted: 'このコメントは削除されました', blocked: 'ブロックした投稿者です', show: '表示', unblock: 'ブロック解除', linked: 'リンク先のコメント',
  up: '高く評価', down: '低く評価', score: '評価', more: 'その他', edit: '編集', 'delete': '削除', confirm: '本当に削除しますか？', copy: 'リンクをコピー', copied: 'リンクをコピーしました',
  flag: '報告', flagged: '報告しました。ありがとうございます。', block: '投稿者をブロック', to: '{name} さんへ',
  collapse: '{name} さんへの返信を隠す', expand: 'スレッドを表示', replies: {other: '返信 {n} 件'},
  moreReplies: {other: '返信をさらに {n} 件表示'}, loadMore: 'コメントをもっと見る',
  fresh: {other: '新しいコメント {n} 件'}, freshBy: '{name} さんの新しいコメント',
  typing1: '{name} さんが入力中…', typing2: '{name} さんと {other} さんが入力中…', typingMany: '複数の人が入力中…',
  offline: '再接続中…', sending: '送信中', unsent: '送信できませんでした。', retry: '再送信', discard: '破棄', now: 'たった今',
  loadFailed: '現在コメントを読み込めません。', tryAgain: '再試行',
  fast: {other: '少し早すぎます。{n} 秒後にもう一度お試しください。'},
  network: '接続がありません。入力内容は保存されています。', busy: 'サーバーが混み合っています。入力内容は保存されています。', forbidden: 'ここではその操作はできません。', gone: 'すでにありません。',
  late: '編集できる時間を過ぎました。', wrong: 'うまくいきませんでした。もう一度お試しください。'
};
