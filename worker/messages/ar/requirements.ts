// Arabic: whatever a person lacks after a sign-in, and the consents of the account.
import type { enRequirements } from '../en/requirements.ts'
import type { TextsOf } from '../text_types.ts'

export const arRequirements: TextsOf<typeof enRequirements> = {
  'missing.read': 'اقرأ: {title}',
  'missing.consent_lead': 'اقرأ هذا النص واقبله للمتابعة.',
  'missing.consent_again_lead': 'يلزم قبولك مرة أخرى للمتابعة. ربما تغيّر النص منذ ذلك الحين.',
  'missing.guardian_lead':
    'سنّك لا تسمح لك باتخاذ هذا القرار وحدك. يقرر عنك أحد الوالدين أو ولي الأمر: اطلب منه التواصل مع القائمين على هذه الخدمة، ثم سجّل الدخول من جديد.',
  'missing.accept': 'أقبل',
  'missing.decline': 'لا أقبل، وتسجيل الخروج',
  'missing.profile_title': 'أكمل ملفك الشخصي',
  'missing.profile_lead': 'هذا مطلوب قبل المتابعة.',
  'missing.phone_hint': 'مع رمز البلد، مثل \u2066+48 22 123 45 67\u2069.',
  'missing.profile_fault': 'تحقق مرة أخرى من: {fields}.',
  'missing.password_title': 'عيّن كلمة مرور جديدة',
  'missing.password_lead':
    'تحتاج إلى كلمة مرور أخرى قبل المتابعة. ينهي ذلك كل الجلسات الأخرى، وعلى التطبيقات أن تسألك من جديد.',
  'missing.present_password': 'كلمة المرور الحالية',
  'missing.new_password': 'كلمة المرور الجديدة',
  'missing.wrong_password': 'كلمة المرور الحالية غير صحيحة.',
  'missing.same_password': 'كلمة المرور الجديدة هي نفسها الحالية. اختر غيرها.',
  'missing.too_many': 'محاولات كثيرة جدًا. انتظر بضع دقائق ثم حاول مرة أخرى.',
  'missing.save': 'احفظ وتابع',
  'missing.sign_out': 'تسجيل الخروج',

  'missing.address_title': 'تأكيد عنوان بريدك الإلكتروني',
  'missing.address_lead':
    'يُرسل رابط إلى عنوانك. يُرجى فتحه في هذا المتصفح والتأكيد، ثم المتابعة من هنا.',
  'missing.address_proven': 'تم التأكيد',
  'missing.address_again': 'إعادة الإرسال',
  'missing.factor_title': 'إضافة عامل ثانٍ',
  'missing.factor_lead':
    'كلمة المرور وحدها لا تكفي هنا. أضف تطبيق مصادقة أو مفتاح مرور للمتابعة، وسيُطلب منك في المرة القادمة.',
  'missing.factor_app': 'بتطبيق مصادقة',
  'missing.factor_passkey': 'بمفتاح مرور',
  'missing.factor_mail': 'برمز عبر البريد الإلكتروني',
  'missing.factor_mail_lead':
    'يُرسل رمز إلى عنوانك ويصلح لهذه المرة فقط. مع تطبيق أو مفتاح مرور لا حاجة إلى البريد.',
  'missing.factor_mail_send': 'إرسال رمز',
  'missing.factor_mail_sent': 'رمز في طريقه إلى {email}. يصلح لمدة عشر دقائق.',
  'missing.factor_other': 'طريقة أخرى',
  'missing.code_refused':
    'هذا الرمز غير صحيح، أو استُخدم من قبل، أو قديم جدًا. حاول مرة أخرى أو اطلب رمزًا جديدًا.',
  'missing.factor_save': 'إضافة ومتابعة',

  'field.name': 'الاسم الكامل',
  'field.given_name': 'الاسم الأول',
  'field.family_name': 'اسم العائلة',
  'field.middle_name': 'الاسم الأوسط',
  'field.nickname': 'اللقب',
  'field.gender': 'الجنس',
  'field.birthdate': 'تاريخ الميلاد',
  'field.phone_number': 'رقم الهاتف',

  'consents.title': 'موافقاتك',
  'consents.none': 'لا يوجد ما تقرره.',
  'consents.required': 'مطلوبة',
  'consents.guardian':
    'سنّك لا تسمح لك بقبول نص وحدك. يقرر أحد الوالدين أو ولي الأمر، ويتواصل مع القائمين على هذه الخدمة.',
  'consents.by_guardian': 'القرار من {guardian}.',
  'consents.read': 'اقرأ النص',
  'consents.not_accepted': 'لم تُقبل',
  'consents.accepted': 'قُبلت في {day}',
  'consents.outdated': 'قُبلت نسخة سابقة في {day}',
  'consents.withdrawn': 'سُحبت في {day}',
  'consents.newer': 'النسخة الجديدة مطلوبة ابتداءً من {day}',
  'consents.accept': 'أقبل',
  'consents.accept_of': 'أقبل: {title}',
  'consents.withdraw': 'اسحب',
  'consents.withdraw_of': 'اسحب: {title}',
  'consents.withdraw_hint':
    'سحبها يسجل خروجك من كل مكان وينهي وصول كل التطبيقات والمساعدات. ستُسأل من جديد عند تسجيل الدخول التالي.',
  'missing.renewed_title': 'جُدِّد دخولك إلى حسابك',
  'missing.renewed': 'أنشأ {by} رابطًا جديدًا إلى كلمة مرور لحسابك في {time}.',
  'missing.renewed_note':
    'مالكو {place} هم من أنشأ حسابك ويحق لهم ذلك. إن لم تطلب ذلك فتحدث إليهم.',
  'missing.renewed_seen': 'متابعة',
}
