// Arabic: mails.
import type { enMail } from '../en/mail.ts'
import type { TextsOf } from '../text_types.ts'

export const arMail: TextsOf<typeof enMail> = {
  'mail.sender': '{service}',
  'mail.greeting': 'مرحبًا {name}،',
  'mail.good_for_days':
    '{count, plural, zero {يسري # يوم، ولمرة واحدة.} one {يسري ليوم واحد، ولمرة واحدة.} two {يسري ليومين، ولمرة واحدة.} few {يسري # أيام، ولمرة واحدة.} many {يسري # يومًا، ولمرة واحدة.} other {يسري # يوم، ولمرة واحدة.}}',
  'mail.good_for_hours':
    '{count, plural, zero {يسري # ساعة، ولمرة واحدة.} one {يسري لساعة واحدة، ولمرة واحدة.} two {يسري لساعتين، ولمرة واحدة.} few {يسري # ساعات، ولمرة واحدة.} many {يسري # ساعة، ولمرة واحدة.} other {يسري # ساعة، ولمرة واحدة.}}',
  'mail.good_for_minutes':
    '{count, plural, zero {يسري # دقيقة، ولمرة واحدة.} one {يسري لدقيقة واحدة، ولمرة واحدة.} two {يسري لدقيقتين، ولمرة واحدة.} few {يسري # دقائق، ولمرة واحدة.} many {يسري # دقيقة، ولمرة واحدة.} other {يسري # دقيقة، ولمرة واحدة.}}',
  'mail.copy': 'إذا لم يعمل الزر، فانسخ هذا العنوان إلى متصفحك:',
  'mail.client': 'لقد جئت من {client}.',
  'mail.foot': 'أُرسلت هذه الرسالة من {service}. لا أحد يقرأ الردود عليها.',

  'mail_recovery.subject': 'تعيين كلمة مرور جديدة في {service}',
  'mail_recovery.heading': 'تعيين كلمة مرور جديدة',
  'mail_recovery.lead':
    'يتيح لك الزر تعيين كلمة مرور جديدة لحسابك في {service}. وعندئذٍ تنتهي كل جلساته.',
  'mail_recovery.button': 'تعيين كلمة مرور جديدة',
  'mail_recovery.note':
    'إذا لم تطلب ذلك فلا تفعل شيئًا: تبقى كلمة مرورك كما هي. لا تعطِ الرابط لأحد.',

  'mail_verify_address.subject': 'تأكيد عنوانك في {service}',
  'mail_verify_address.heading': 'تأكيد عنوانك',
  'mail_verify_address.lead': 'يُرجى تأكيد أن هذا العنوان لك وأنه يخص حسابك في {service}.',
  'mail_verify_address.button': 'تأكيد العنوان',
  'mail_verify_address.note': 'إذا لم يكن لديك حساب هناك فلا تفعل شيئًا: لن يُؤكَّد من دونك.',

  'mail_sign_up.subject': 'حسابك في {service}',
  'mail_sign_up.heading': 'تابع إنشاء حسابك',
  'mail_sign_up.lead': 'طلب شخص ما، ونأمل أنه أنت، حسابًا في {service} بهذا العنوان.',
  'mail_sign_up.button': 'إنشاء الحساب',
  'mail_sign_up.note': 'إن لم تكن أنت، فلا تفعل شيئًا: لن يُنشأ أي حساب.',

  'mail_account_exists.subject': 'لديك حساب في {service}',
  'mail_account_exists.heading': 'لديك حساب',
  'mail_account_exists.lead':
    'أراد شخص ما، ونأمل أنه أنت، حسابًا جديدًا في {service} بهذا العنوان. يوجد حساب بالفعل: سجّل الدخول، أو عيّن هناك كلمة مرور جديدة.',
  'mail_account_exists.button': 'تسجيل الدخول',
  'mail_account_exists.note': 'إن لم تكن أنت، فلا شيء عليك فعله.',

  'mail_address_changed.subject': 'تم تغيير عنوانك في {service}',
  'mail_address_changed.heading': 'تم تغيير عنوانك',
  'mail_address_changed.lead':
    'عنوان حسابك في {service} هو الآن {address}. ولم يعد هذا العنوان تابعًا له.',
  'mail_address_changed.button': 'لم أكن أنا: تراجع',
  'mail_address_changed.note': 'إذا غيّرته بنفسك فلا حاجة إلى شيء.',

  'mail_addresses_changed.subject': 'تم تغيير عناوين حسابك في {service}',
  'mail_addresses_changed.heading': 'تم تغيير عناوين حسابك',
  'mail_addresses_changed.added':
    'أُضيف العنوان {address} إلى حسابك في {service}. يمكن به تسجيل الدخول وتعيين كلمة مرور جديدة.',
  'mail_addresses_changed.primary':
    'تصل الرسائل المتعلقة بحسابك في {service} من الآن إلى العنوان {address}.',

  'mail_sign_in_link.subject': 'تسجيل الدخول إلى {service}',
  'mail_sign_in_link.heading': 'تسجيل الدخول',
  'mail_sign_in_link.lead': 'يسجّل الزر دخولك إلى {service} في المتصفح الذي طلبت ذلك فيه.',
  'mail_sign_in_link.button': 'تسجيل الدخول',
  'mail_sign_in_link.note': 'إذا لم تطلب ذلك فلا تفعل شيئًا. لا تعطِ الرابط لأحد.',

  'mail_sign_in_code.subject': 'رمزك في {service}',
  'mail_sign_in_code.heading': 'رمزك',
  'mail_sign_in_code.lead': 'يُرجى إدخال هذا الرمز حيث تطلبه {service}:',
  'mail_sign_in_code.note':
    'إذا لم تكن تسجّل الدخول، فشخص آخر يحاول ذلك. لا تعطِ الرمز لأحد: لا يطلبه أبدًا أي ممن يعملون لدى {service}.',

  'mail_invitation.subject': 'دعوة إلى {service}',
  'mail_invitation.heading': 'لديك دعوة',
  'mail_invitation.lead': 'ندعوك إلى إنشاء حساب في {service}.',
  'mail_invitation.inviter': 'الدعوة من {inviter}.',
  'mail_invitation.place': 'وهي إلى: {place}.',
  'mail_invitation.button': 'قبول الدعوة',
  'mail_invitation.note': 'إذا لم تكن تتوقع دعوة فلا تفعل شيئًا.',

  'mail_account_closed.subject': 'حسابك في {service} مغلق',
  'mail_account_closed.heading': 'حسابك مغلق',
  'mail_account_closed.lead': 'تم إغلاق حسابك في {service}. سيُحذف في {day} بكل ما فيه.',
  'mail_account_closed.keep': 'حتى ذلك الحين يمكنك الاحتفاظ به: سجّل الدخول واختر الاحتفاظ بالحساب.',
  'mail_account_closed.button': 'تسجيل الدخول',
  'mail_account_closed.note': 'إذا لم تغلقه أنت، فسجّل الدخول واحتفظ به وغيّر كلمة المرور.',

  'mail_factor_removed.subject': 'تمت إزالة عامل تسجيل دخول في {service}',
  'mail_factor_removed.heading': 'تمت إزالة عامل',
  'mail_factor_removed.lead': 'لم يعد العامل «{factor}» يحمي حسابك في {service}.',
  'mail_factor_removed.button': 'لم أكن أنا: تراجع',
  'mail_factor_removed.note': 'إذا كنت تريد ذلك فلا حاجة إلى شيء.',

  'mail_factor_added.subject': 'تغيّر تسجيل دخولك إلى {service}',
  'mail_factor_added.heading': 'تغيّر تسجيل دخولك',
  'mail_factor_added.app':
    'صار تطبيق المصادقة «{factor}» يُستخدم مع كلمة المرور لتسجيل الدخول إلى {service}.',
  'mail_factor_added.passkey': 'صار مفتاح المرور «{factor}» يُستخدم لتسجيل الدخول إلى {service}.',
  'mail_factor_added.codes':
    'أُنشئت رموز استرداد جديدة لحسابك في {service}. لم تعد الرموز السابقة صالحة.',
  'mail_factor_added.note': 'إن لم تكن أنت، فعيّن كلمة مرور جديدة الآن وتفقّد صفحة الأمان في حسابك.',

  'mail_recovery_codes_low.subject': 'بقي القليل من رموز الاسترداد في {service}',
  'mail_recovery_codes_low.heading': 'بقي القليل من رموز الاسترداد',
  'mail_recovery_codes_low.lead':
    '{left, plural, zero {لم يبقَ أي رمز استرداد} one {بقي رمز استرداد واحد} two {بقي رمزا استرداد} few {بقيت # رموز استرداد} many {بقي # رمز استرداد} other {بقي # رمز استرداد}} لحسابك في {service}.',
  'mail_recovery_codes_low.note': 'سجّل الدخول وأنشئ رموزًا جديدة في صفحة حسابك قبل أن تحتاج إليها.',

  'mail_new_browser.subject': 'تسجيل دخول جديد إلى {service}',
  'mail_new_browser.heading': 'تسجيل دخول جديد',
  'mail_new_browser.lead':
    'فُتح حسابك في {service} في متصفح لا يعرفه: {browser}، من {address}، في {time}.',
  'mail_new_browser.note':
    'إذا لم يكن ذلك منك، فعيّن كلمة مرور جديدة وسجّل الخروج من كل مكان في صفحة حسابك.',

  'mail_test.subject': 'رسالة تجريبية من {service}',
  'mail_test.heading': 'الإرسال يعمل',
  'mail_test.lead': 'تصل رسائل {service} إلى هذا العنوان.',
  'mail_test.note': 'أرسل أحد المشغّلين هذه الرسالة لتجربة الإرسال.',
}
