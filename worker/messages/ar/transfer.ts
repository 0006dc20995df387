// Arabic: a place that gets a new owner, and its mail.

import type { enTransfer } from '../en/transfer.ts'
import type { TextsOf } from '../text_types.ts'

export const arTransfer: TextsOf<typeof enTransfer> = {
  'transfer.title': 'عُرض عليك مكان',
  'transfer.inviter': 'العرض من {inviter}.',
  'transfer.place': 'المكان: {place}.',
  'transfer.what': 'إذا قبلت صار المكان لك. يفقد كل الآخرين الوصول إليه، وتواصل الأجهزة عملها.',
  'transfer.there_is_account': 'يوجد حساب بهذا العنوان. سجّل الدخول لقبول المكان.',
  'transfer.accept_lead': 'عُرض المكان على {address}. هل تقبله بهذا الحساب؟',
  'transfer.accept': 'قبول المكان',
  'transfer.ends': 'عندئذ ينتهي ما يلي:',
  'transfer.people': 'الأشخاص الذين يفقدون الوصول: {count, number}',
  'transfer.grants': 'الصلاحيات: {count, number}',
  'transfer.invitations': 'الدعوات المعلّقة: {count, number}',
  'transfer.links': 'روابط المساعدين والتطبيقات: {count, number}',
  'transfer.claim_tokens': 'أسرار تنضم بها أجهزة جديدة: {count, number}',
  'transfer.credentials': 'مفاتيح الأجهزة: {count, number}',
  'transfer.tokens': 'رموز الأجهزة: {count, number}',
  'transfer.end_credentials':
    'إنهاء المفاتيح التي أُضيفت إلى الأجهزة حتى الآن ({count, number}). الجهاز الذي ليس له مفتاح آخر يجب إعداده من جديد.',
  'transfer.end_tokens':
    'إنهاء الرموز التي أُنشئت للأجهزة حتى الآن ({count, number}). الجهاز الذي ليس له غير مثل هذا الرمز يجب إعداده من جديد.',
  'transfer.done_title': 'صار المكان لك',
  'transfer.done': 'صار {place} لك. انتهى ما يلي:',
  'transfer.dead_title': 'لا يمكن قبول هذا المكان',
  'transfer.dead': 'قُبل العرض أو سُحب أو انتهت مدته. اطلب عرضًا جديدًا.',
  'transfer.powerless':
    'لم يعد من عرض المكان قادرًا على منحه، أو تغيّر المكان في هذه الأثناء. اطلب عرضًا جديدًا.',
  'mail_transfer.subject': 'عُرض عليك مكان في {service}',
  'mail_transfer.heading': 'مكان لك',
  'mail_transfer.lead': 'عُرض عليك {place}.',
  'mail_transfer.inviter': 'العرض من {inviter}.',
  'mail_transfer.button': 'عرض التفاصيل',
  'mail_transfer.note': 'إذا لم تكن تتوقع ذلك فلا تفعل شيئًا.',
}
