// Arabic: the address and the password of an account, changed by its person.
import type { enAddress } from '../en/address.ts'
import type { TextsOf } from '../text_types.ts'

export const arAddress: TextsOf<typeof enAddress> = {
  'address.title': 'عنوان البريد الإلكتروني',
  'address.lead':
    'يُعتمد العنوان الجديد بعد فتح الرابط الذي يُرسل إليه. ويُبلَّغ العنوان الحالي بذلك، ويمكن منه التراجع خلال أسبوع.',
  'address.present': 'العنوان الحالي',
  'address.new': 'العنوان الجديد',
  'address.submit': 'إرسال الرابط',
  'address.too_many': 'رسائل كثيرة جدًا. انتظر بضع دقائق ثم أعد المحاولة.',
  'address.sent_title': 'تفقّد بريدك',
  'address.sent': 'أُرسل رابط إلى {email}. وهو صالح ليوم واحد.',
  'address.confirm_title': 'هل هذا عنوانك؟',
  'address.confirm_lead': 'سيصبح عنوان هذا الحساب: {email}',
  'address.confirm': 'نعم، استخدام هذا العنوان',
  'address.undo_title': 'استعادة العنوان السابق',
  'address.undo_lead':
    'يعود إلى الحساب العنوان {email}. تنتهي كل الجلسات، وعلى التطبيقات أن تسأل من جديد، وتُزال العوامل المضافة منذ ذلك الحين. عيّن كلمة مرور جديدة.',
  'address.undo': 'استعادة',
  'address.undone': 'عاد إلى الحساب العنوان {email}. سجّل الدخول بكلمة المرور الجديدة.',
  'address.done_title': 'تغيّر العنوان',
  'address.done': 'عنوان الحساب الآن هو {email}.',
  'address.dead_title': 'هذا الرابط لا يعمل',
  'address.dead': 'استُخدم من قبل، أو مضى عليه وقت طويل، أو تغيّر الحساب في هذه الأثناء.',
  'address.taken': 'هذا العنوان لحساب آخر.',
  'address.account': 'الحساب',
  'new_password.title': 'تغيير كلمة المرور',
  'new_password.lead': 'يُسجَّل خروجك من المتصفحات الأخرى.',
  'new_password.present': 'كلمة المرور الحالية',
  'new_password.new': 'كلمة المرور الجديدة',
  'new_password.submit': 'تغيير كلمة المرور',
  'new_password.refused': 'كلمة المرور الحالية غير صحيحة. تحقق منها وأعد المحاولة.',
}
