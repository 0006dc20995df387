// Arabic: the account of a person, and the applications that have access to it.
import type { enAccount } from '../en/account.ts'
import type { TextsOf } from '../text_types.ts'

export const arAccount: TextsOf<typeof enAccount> = {
  'account.title': 'حسابك',
  'account.signed_in_as': 'تم تسجيل الدخول باسم',
  'account.sign_out': 'تسجيل الخروج',
  'account.failed':
    'منذ زيارتك السابقة {count, plural, zero {لم تفشل أي محاولة} one {فشلت محاولة واحدة} two {فشلت محاولتان} few {فشلت # محاولات} many {فشلت # محاولة} other {فشلت # محاولة}} لتسجيل الدخول إلى حسابك، آخرها في {time}. إذا لم تكن أنت، فغيّر كلمة المرور.',
  'account.change_email': 'تغيير العنوان',
  'account.change_password': 'تغيير كلمة المرور',
  'account.profile': 'الملف الشخصي',
  'account.see_profile': 'غيّر اسمك وبياناتك الأخرى',
  'account.security': 'الأمان',
  'account.see_security': 'مفاتيح المرور وتطبيقات المصادقة ورموز الاسترداد',
  'account.applications': 'التطبيقات',
  'account.see_applications': 'عرض التطبيقات التي لديها إذن الوصول',
  'account.consents': 'الموافقات',
  'account.see_consents': 'اطّلع على ما وافقت عليه، واسحبه',
  'account.data': 'بياناتك',
  'account.see_data': 'احصل على نسخة من كل ما نحتفظ به عنك',
  'account.close': 'إغلاق حسابك',
  'account.sessions': 'أماكن تسجيل دخولك',
  'account.this_browser': 'هذا المتصفح',
  'account.unknown_device': 'جهاز غير معروف',
  'account.since': 'منذ {time}',
  'account.since_from': '{address}، منذ {time}',
  'account.end': 'تسجيل الخروج',
  'account.end_of': 'تسجيل الخروج: {browser}',
  'account.everywhere': 'تسجيل الخروج من كل مكان',
  'account.everywhere_hint':
    'ينهي كل الجلسات، بما فيها جلسة هذا المتصفح. التطبيقات التي لديها إذن الوصول في غيابك تحتفظ به: يمكنك إلغاؤه ضمن «التطبيقات».',

  'applications.title': 'التطبيقات التي لديها إذن الوصول',
  'applications.lead': 'يمكنها باسمك:',
  'applications.none': 'لا يملك أي تطبيق إذن الوصول إلى حسابك.',
  'applications.offline': 'في غيابك أيضًا',
  'applications.since': 'منذ {day}',
  'applications.since_and_used': 'منذ {day}، آخر استخدام {time}',
  'applications.withdraw': 'إلغاء الإذن',
  'applications.withdraw_of': 'إلغاء الإذن: {client}',
  'applications.hint': 'التطبيق الذي تلغي إذنه عليه أن يطلبه منك من جديد.',
  'applications.back': 'الرجوع إلى حسابك',

  'profile.title': 'ملفك الشخصي',
  'profile.save': 'حفظ',
  'profile.saved': 'تم الحفظ.',
  'profile.outrun': 'تم تغيير حسابك في الوقت نفسه. راجعه ثم احفظ مرة أخرى.',
  'profile.none': 'لا يوجد هنا ما يمكنك تغييره.',
}
