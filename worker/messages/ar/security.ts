// Arabic: passkeys and second factors, at the sign-in and in the account.
import type { enSecurity } from '../en/security.ts'
import type { TextsOf } from '../text_types.ts'

export const arSecurity: TextsOf<typeof enSecurity> = {
  'second_factor.title': 'خطوة أخرى',
  'second_factor.lead': 'يُرجى إدخال الرمز الذي يعرضه تطبيق المصادقة. ويصلح رمز الاسترداد أيضًا.',
  'second_factor.lead_passkey': 'يُرجى استخدام مفتاح المرور أو إدخال رمز استرداد.',
  'second_factor.lead_both':
    'يُرجى استخدام مفتاح المرور أو إدخال الرمز الذي يعرضه تطبيق المصادقة. ويصلح رمز الاسترداد أيضًا.',
  'second_factor.account': 'الحساب',
  'second_factor.code': 'الرمز',
  'second_factor.recovery_code': 'رمز الاسترداد',
  'second_factor.submit': 'متابعة',
  'second_factor.other': 'استخدام حساب آخر',
  'second_factor.refused':
    'هذا الرمز غير صحيح أو سبق استخدامه. يُرجى انتظار الرمز التالي ثم المحاولة مجددًا.',
  'second_factor.too_many': 'رموز خاطئة كثيرة جدًا. يُرجى الانتظار بضع دقائق ثم المحاولة مرة أخرى.',
  'second_factor.trust':
    'عدم السؤال مجددًا في هذا المتصفح لمدة {days, plural, zero {# يوم} one {يوم واحد} two {يومين} few {# أيام} many {# يومًا} other {# يوم}}',
  'second_factor.ended_title': 'انتهت محاولة تسجيل الدخول هذه',
  'second_factor.ended': 'استغرقت وقتًا طويلًا، أو تغيّر الحساب في أثنائها. يُرجى تسجيل الدخول مجددًا.',

  'removed_factor.title': 'إعادة العامل',
  'removed_factor.lead':
    'أزال أحد المشغّلين «{factor}». إعادته تُنهي كل تسجيل دخول منذ ذلك الحين، وتزيل العوامل التي أُضيفت بعدها.',
  'removed_factor.done_title': 'عاد العامل',
  'removed_factor.done': '«{factor}» يحمي حسابك من جديد. إن لم تطلب إزالته فغيّر كلمة المرور أيضًا.',

  'security.title': 'الأمان',
  'security.lead': 'مع مفتاح مرور أو تطبيق مصادقة لا تكفي كلمة مرور مسروقة وحدها لفتح شيء.',
  'security.passkeys': 'مفاتيح المرور',
  'security.no_passkeys':
    'ليس لديك أي منها بعد. بمفتاح المرور يكون تسجيل الدخول بالإصبع أو الوجه أو رقم PIN.',
  'security.synced': 'متزامن',
  'security.rename': 'إعادة التسمية',
  'security.new_name': 'الاسم الجديد',
  'security.save_name': 'حفظ',
  'security.add_passkey': 'إضافة مفتاح مرور',
  'security.passkey_lead':
    'ينشئ جهازك مفتاحًا لتسجيل الدخول بالإصبع أو الوجه أو رقم PIN، من دون كلمة مرور.',
  'security.passkey_name': 'مفتاح مرور',
  'security.passkey_taken':
    'لا يمكن إضافة مفتاح المرور هذا. ربما كان موجودًا بالفعل: يُرجى مراجعة قائمتك.',
  'security.passkey_refused': 'لا يمكن إضافة مفتاح المرور هذا. يُرجى المحاولة مجددًا أو بجهاز آخر.',
  'security.passkey_many': 'بلغ العدد أقصاه. يُرجى إزالة واحد أولًا.',
  'security.last_way_in': 'مفتاح المرور هذا هو طريقك الوحيد للدخول. يُرجى إضافة آخر قبل إزالته.',
  'security.factor_demanded': 'يُطلب منك عامل ثانٍ، وهذا هو الوحيد لديك. أضف عاملًا آخر قبل إزالته.',
  'security.apps': 'تطبيقات المصادقة',
  'security.none': 'ليس لديك أي منها بعد.',
  'security.since': 'منذ {time}',
  'security.last_used': 'آخر استخدام {time}',
  'security.remove': 'إزالة',
  'security.add': 'إضافة تطبيق مصادقة',
  'security.codes': 'رموز الاسترداد',
  'security.codes_left':
    '{count, plural, zero {لم يبقَ أي رمز} one {بقي رمز واحد} two {بقي رمزان} few {بقيت # رموز} many {بقي # رمزًا} other {بقي # رمز}}. يحلّ كل رمز محل مفتاح المرور أو التطبيق مرة واحدة عند فقدان الهاتف.',
  'security.make_codes': 'إنشاء رموز جديدة',
  'security.back': 'الرجوع إلى حسابك',
  'security.add_lead':
    'يُرجى مسح هذه الصورة بالتطبيق أو إدخال المفتاح فيه، ثم إدخال الرمز الذي يعرضه.',
  'security.image': 'رمز QR يحتوي على المفتاح',
  'security.key': 'المفتاح',
  'security.name': 'الاسم',
  'security.name_hint': 'لتتعرّف عليه لاحقًا، كاسم الهاتف مثلًا.',
  'security.default_name': 'تطبيق المصادقة',
  'security.code': 'الرمز',
  'security.save': 'إضافة',
  'security.cancel': 'إلغاء',
  'security.refused': 'هذا الرمز لا يوافق المفتاح. يُرجى انتظار الرمز التالي ثم المحاولة مجددًا.',
  'security.name_refused': 'يُرجى إدخال اسم مرئي لا يتجاوز 60 حرفًا.',
  'security.expired': 'هذا المفتاح قديم جدًا. يُرجى مسح المفتاح الجديد.',
  'security.codes_title': 'رموز الاسترداد الخاصة بك',
  'security.codes_lead':
    'احتفظ بها حيث تجدها من دون هاتفك. لا تُعرض إلا هذه المرة، وتحلّ محل كل الرموز السابقة.',
  'security.codes_kept': 'احتفظت بها',
}
