// Arabic: claiming a device with the code on its box.

import type { enClaim } from '../en/claim.ts'
import type { TextsOf } from '../text_types.ts'

export const arClaim: TextsOf<typeof enClaim> = {
  'claim.title': 'إضافة جهاز',
  'claim.lead': 'اكتب الرمز الموجود على العلبة أو على الجهاز.',
  'claim.code': 'الرمز',
  'claim.continue': 'متابعة',
  'claim.dead':
    'لا يمكن استخدام هذا الرمز. قارنه بما على العلبة؛ يصلح الرمز مرة واحدة ولمدة محدودة.',
  'claim.ask': 'هل تضيف هذا الجهاز إلى مكانك؟',
  'claim.serial': 'الرقم التسلسلي: {serial}',
  'claim.what': 'يستطيع أهل المكان استخدامه بعد ذلك. ومن كان لديه من قبل يفقد الوصول إليه.',
  'claim.sign_in': 'سجّل الدخول لإضافته إلى مكانك، أو أنشئ حسابًا أولًا.',
  'claim.place': 'إلى أي مكان يُضاف؟',
  'claim.new_place': 'مكان جديد',
  'claim.new_name': 'اسم المكان الجديد',
  'claim.submit': 'إضافة الجهاز',
  'claim.another': 'استخدام رمز آخر',
  'claim.no_place': 'لا تدير أي مكان، ولا يمكن إنشاء مكان هنا. اطلب من مالك مكان أن يضيف الجهاز.',
  'claim.place_needed': 'اختر مكانًا. المكان الجديد يحتاج إلى اسم.',
  'claim.place_refused': 'لا يمكنك إضافة أجهزة إلى هذا المكان. اختر غيره.',
  'claim.too_wide': 'مع هذا الجهاز لن يتّسع رمز الوصول للحقوق في هذا المكان. اختر مكانًا آخر.',
  'claim.done_title': 'أُضيف الجهاز',
  'claim.done': 'هو الآن في {place}. لا يمكن استخدام الرمز الموجود على العلبة مرة أخرى.',
}
