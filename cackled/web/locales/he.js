(window.Cackle.locales = window.Cackle.locales || {}).he = {
  comments: {one: 'תגובה אחת', two: 'שתי תגובות', other: '{n} תגובות'}, title: 'תגובות', online: {one: 'קורא אחד', other: '{n} קוראים'},
  sort: 'מיון', best: 'הטובות', 'new': 'חדשות', old: 'ישנות',
  join: 'הצטרפו לדיון', replyTo: 'תשובה אל {name}', name: 'השם שלך', post: 'פרסום', reply: 'תשובה', save: 'שמירה', cancel: 'ביטול',
  format: 'עיצוב', marks: 'מודגש|נטוי|קו חוצה|קוד|ציטוט|רשימה|קישור', left: {one: 'נותר תו אחד', other: 'נותרו {n} תווים'}, over: {one: 'תו אחד יותר מדי', other: '{n} תווים יותר מדי'},
  empty: 'אין עדיין תגובות. היו הראשונים.', closed: 'התגובות סגורות.', guest: 'אורח', you: 'את/ה', edited: 'נערך', editedAt: 'נערך {time}',
  deleted: 'התגובה נמחקה', blocked: 'חסמת את הכותב', show: 'הצגה', unblock: 'ביטול חסימה', linked: 'תגובה מקושרת',
  up: 'הצבעה בעד', down: 'הצבעה נגד', score: 'ניקוד', more: 'עוד', edit: 'עריכה', 'delete': 'מחיקה', confirm: 'למחוק לצמיתות?', copy: 'העתקת קישור', copied: 'הקישור הועתק',
  flag: 'דיווח', flagged: 'דווח. תודה.', block: 'חסימת הכותב', to: 'אל {name}',
  collapse: 'הסתרת התשובות אל {name}', expand: 'הצגת השרשור', replies: {one: 'תשובה אחת', other: '{n} תשובות'},
  moreReplies: {one: 'הצגת תשובה נוספת', other: 'הצגת {n} תשובות נוספות'}, loadMore: 'עוד תגובות',
  fresh: {one: 'תגובה חדשה אחת', other: '{n} תגובות חדשות'}, freshBy: 'תגובה חדשה מאת {name}',
  typing1: '{name} כותב/ת…', typing2: '{name} ו־{other} כותבים…', typingMany: 'כמה אנשים כותבים…',
  offline: 'מתחבר מחדש…', sending: 'בשליחה', unsent: 'לא נשלח.', retry: 'ניסיון נוסף', discard: 'ביטול', now: 'עכשיו',
  loadFailed: 'אי אפשר לטעון את התגובות כרגע.', tryAgain: 'ניסיון נוסף',
  fast: {one: 'קצת מהר מדי. נסו שוב בעוד שנייה.', other: 'קצת מהר מדי. נסו שוב בעוד {n} שניות.'},
  network: 'אין חיבור. הטקסט שלך שמור.', busy: 'השרת צריך רגע. הטקסט שלך שמור.', forbidden: 'אי אפשר לעשות זאת כאן.', gone: 'זה כבר לא כאן.',
  late: 'הזמן לעריכה עבר.', wrong: 'זה לא הצליח. נסו שוב.'
};
