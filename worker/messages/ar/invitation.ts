// Arabic: invitations, and what a person does with one.
import type { enInvitation } from '../en/invitation.ts'
import type { TextsOf } from '../text_types.ts'

export const arInvitation: TextsOf<typeof enInvitation> = {
  'invitation.title': 'لديك دعوة',
  'invitation.inviter': 'الدعوة من {inviter}.',
  'invitation.place': 'تقود إلى: {place}.',
  'invitation.new': 'اختر كلمة مرور ليصبح الحساب لك.',
  'invitation.have_account': 'لدي حساب بالفعل',
  'invitation.there_is_account': 'يوجد حساب بهذا العنوان. سجّل الدخول لقبول الدعوة.',
  'invitation.sign_in': 'تسجيل الدخول',
  'invitation.accept_lead': 'تمت دعوة {address}. هل تقبل الدعوة بهذا الحساب؟',
  'invitation.accept': 'قبول الدعوة',
  'invitation.other_account': 'استخدام حساب آخر',
  'invitation.dead_title': 'لا يمكن استخدام هذه الدعوة',
  'invitation.dead':
    'استُخدمت أو سُحبت أو انتهت صلاحيتها. إذا كان لديك حساب فسجّل الدخول، وإلا فاطلب دعوة جديدة ممن دعاك.',
  'invitation.too_wide':
    'الحقوق المرفقة لا يتّسع لها رمز الوصول مع حقوق حسابك. اطلب من المرسل حقوقًا أقل.',
  'invitation.powerless': 'من دعاك لم يعد بإمكانه منح ما تعد به هذه الدعوة. اطلب دعوة جديدة.',
}
