// German: invitations, and what a person does with one.
import type { enInvitation } from '../en/invitation.ts'
import type { TextsOf } from '../text_types.ts'

export const deInvitation: TextsOf<typeof enInvitation> = {
  'invitation.title': 'Sie sind eingeladen',
  'invitation.inviter': 'Die Einladung kommt von {inviter}.',
  'invitation.place': 'Sie führt zu: {place}.',
  'invitation.new': 'Wählen Sie ein Passwort, und das Konto gehört Ihnen.',
  'invitation.have_account': 'Ich habe schon ein Konto',
  'invitation.there_is_account':
    'Zu dieser Adresse gibt es ein Konto. Melden Sie sich an, um die Einladung anzunehmen.',
  'invitation.sign_in': 'Anmelden',
  'invitation.accept_lead': '{address} wurde eingeladen. Die Einladung mit diesem Konto annehmen?',
  'invitation.accept': 'Einladung annehmen',
  'invitation.other_account': 'Ein anderes Konto verwenden',
  'invitation.dead_title': 'Diese Einladung gilt nicht',
  'invitation.dead':
    'Sie wurde schon benutzt oder zurückgenommen, oder sie ist abgelaufen. Wenn Sie ein Konto haben, melden Sie sich an; sonst bitten Sie um eine neue.',
  'invitation.too_wide':
    'Die Rechte, die damit kommen, passen neben denen Ihres Kontos nicht in ein Token. Bitten Sie um weniger Rechte.',
  'invitation.powerless':
    'Wer Sie eingeladen hat, kann nicht mehr geben, was diese Einladung verspricht. Bitten Sie um eine neue.',
}
