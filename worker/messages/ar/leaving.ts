// Arabic: closing an account, keeping it, and a copy of the data in it.
import type { enLeaving } from '../en/leaving.ts'
import type { TextsOf } from '../text_types.ts'

export const arLeaving: TextsOf<typeof enLeaving> = {
  'closing.title': 'إغلاق حسابك',
  'closing.lead': 'يتم تسجيل خروجك فورًا من كل مكان، وتفقد التطبيقات والمساعدات إذن الوصول.',
  'closing.grace':
    'خلال {days, plural, zero {# يوم} one {يوم واحد} two {يومين} few {# أيام} many {# يومًا} other {# يوم}} يمكنك تسجيل الدخول والاحتفاظ بالحساب. بعد ذلك يُحذف نهائيًا بكل ما فيه.',
  'closing.at_once': 'يُحذف فورًا ونهائيًا بكل ما فيه. لا يمكن لأحد التراجع عن ذلك.',
  'closing.copy': 'احصل أولًا على نسخة من بياناتك',
  'closing.submit': 'إغلاق الحساب',
  'closing.last_operator': 'أنت آخر مشغّل: بدونك لا يمكن لأحد إدارة هذه الخدمة. عيّن مشغّلًا آخر أولًا.',
  'closing.done_title': 'حسابك مغلق',
  'closing.done': 'سيُحذف في {day}. حتى ذلك الحين يمكنك تسجيل الدخول والاحتفاظ به.',
  'closing.deleted_title': 'تم حذف حسابك',
  'closing.deleted': 'حُذف كل ما فيه.',
  'closing.sign_in': 'تسجيل الدخول',
  'keep.title': 'حسابك مغلق',
  'keep.lead': 'سيُحذف في {day} بكل ما فيه.',
  'keep.submit': 'الاحتفاظ بالحساب',
  'keep.leave': 'تركه مغلقًا',
  'keep.hint': 'على التطبيقات والمساعدات التي كان لديها إذن الوصول أن تطلبه منك من جديد.',
}
