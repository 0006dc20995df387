// Arabic: the address and the password of an account, changed by its person.
import type { enAddress } from '../en/address.ts'
import type { TextsOf } from '../text_types.ts'

export const arAddress: TextsOf<typeof enAddress> = {
  'address.title': 'البريد الإلكتروني',
  'address.lead':
    'يسري العنوان الجديد بعد فتح الرابط الذي يُرسل إليه. ويُبلَّغ العنوان الحالي بذلك، ويمكن التراجع منه لمدة أسبوع.',
  'address.present': 'العنوان الحالي',
  'address.new': 'العنوان الجديد',
  'address.submit': 'إرسال الرابط',
  'address.too_many': 'رسائل كثيرة جدًا. يُرجى الانتظار بضع دقائق ثم المحاولة مرة أخرى.',
  'address.sent_title': 'تفقَّد بريدك',
  'address.sent': 'أُرسل رابط إلى {email}. يسري الرابط ليوم واحد.',
  'address.confirm_title': 'هل هذا عنوانك؟',
  'address.confirm_lead': 'سيصبح عنوان هذا الحساب: {email}',
  'address.confirm': 'نعم، استخدام هذا العنوان',
  'address.undo_title': 'استعادة العنوان القديم',
  'address.undo_lead':
    'يستعيد الحساب العنوان {email}. تنتهي كل الجلسات، وعلى التطبيقات أن تطلب الإذن من جديد، وتُزال العوامل التي أُضيفت منذ ذلك الحين. يُرجى تعيين كلمة مرور جديدة.',
  'address.undo': 'استعادة',
  'address.undone': 'عاد العنوان {email} إلى الحساب. يُرجى تسجيل الدخول بكلمة المرور الجديدة.',
  'address.done_title': 'تم تغيير العنوان',
  'address.done': 'عنوان الحساب الآن هو {email}.',
  'address.dead_title': 'هذا الرابط لا يعمل',
  'address.dead': 'لقد استُخدم، أو أصبح قديمًا جدًا، أو تغيّر الحساب في هذه الأثناء.',
  'address.taken': 'هذا العنوان لحساب آخر.',
  'address.account': 'الحساب',
  'address.confirm_further': 'يُضاف إلى هذا الحساب: {email}',
  'address.added': 'للحساب الآن أيضًا العنوان {email}.',

  'names.title': 'الأسماء والعناوين',
  'names.lead': 'يمكنك تسجيل الدخول بكل عنوان مؤكَّد وباسم المستخدم. وتصل الرسائل إلى أحد العناوين.',
  'names.is_primary': 'تصل الرسائل إلى هنا',
  'names.is_unproven': 'غير مؤكَّد',
  'names.kind_email': 'البريد الإلكتروني',
  'names.kind_user_name': 'اسم المستخدم',
  'names.kind_phone': 'الهاتف',
  'names.primary_button': 'إرسال الرسائل إلى هنا',
  'names.remove_button': 'إزالة',
  'names.add': 'إضافة عنوان',
  'names.primary': 'تصل الرسائل إلى هذا العنوان. اختر لها عنوانًا آخر أولًا.',
  'names.unproven': 'هذا العنوان غير مؤكَّد. اتبع الرابط الذي أُرسل إليه.',
  'names.busy': 'تم تغيير الحساب في الوقت نفسه. حاول مرة أخرى.',
  'names.full': 'للحساب أقصى عدد ممكن من الأسماء. أزل واحدًا أولًا.',

  'new_password.title': 'تغيير كلمة المرور',
  'new_password.lead': 'سيتم تسجيل خروجك من متصفحاتك الأخرى.',
  'new_password.present': 'كلمة المرور الحالية',
  'new_password.new': 'كلمة المرور الجديدة',
  'new_password.submit': 'تغيير كلمة المرور',
  'new_password.refused': 'كلمة المرور الحالية غير صحيحة. يُرجى التحقق منها والمحاولة مرة أخرى.',
}
