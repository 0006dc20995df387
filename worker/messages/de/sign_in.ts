// German: signing in and out, the first operator, a new password, forms and errors.
import type { enSignIn } from '../en/sign_in.ts'
import type { TextsOf } from '../text_types.ts'

export const deSignIn: TextsOf<typeof enSignIn> = {
  'sign_in.title': 'Anmelden',
  'sign_in.lead': 'weiter zu {client}',
  'sign_in.email': 'E-Mail-Adresse',
  'sign_in.email_or_user_name': 'E-Mail-Adresse oder Benutzername',
  'sign_in.user_name': 'Benutzername',
  'sign_in.password': 'Passwort',
  'sign_in.submit': 'Anmelden',
  'sign_in.forgotten': 'Passwort vergessen?',
  'sign_in.sign_up': 'Konto erstellen',
  'sign_in.link': 'Mit einem Link per Mail anmelden',
  'sign_in.refused':
    'E-Mail-Adresse oder Passwort stimmt nicht. Prüfen Sie beides und versuchen Sie es erneut.',
  'sign_in.too_many': 'Zu viele Versuche. Warten Sie einige Minuten und versuchen Sie es erneut.',

  'passkey.sign_in': 'Mit Passkey anmelden',
  'passkey.use': 'Passkey verwenden',
  'passkey.create': 'Passkey erstellen',
  'passkey.refused':
    'Dieser Passkey hat nicht funktioniert. Versuchen Sie es erneut oder melden Sie sich anders an.',
  'passkey.expired': 'Diese Seite war zu lange geöffnet. Versuchen Sie es erneut.',
  'passkey.not_used':
    'Es wurde kein Passkey benutzt. Versuchen Sie es erneut oder gehen Sie einen anderen Weg.',
  'passkey.not_made':
    'Es wurde kein Passkey erstellt. Versuchen Sie es erneut, wenn Sie so weit sind.',
  'passkey.already': 'Dieses Gerät hat schon einen Passkey für Ihr Konto.',
  'passkey.not_supported':
    'Dieses Gerät kann keinen solchen Passkey erstellen. Versuchen Sie es mit einem anderen, zum Beispiel Ihrem Telefon.',
  'passkey.wrong_host': 'Unter dieser Adresse funktionieren Passkeys nicht.',
  'passkey.failed': 'Der Browser konnte das nicht ausführen. Versuchen Sie es erneut.',
  'passkey.none': 'Dieser Browser kennt keine Passkeys.',
  'passkey.no_script': 'Passkeys brauchen JavaScript, das in diesem Browser ausgeschaltet ist.',

  'sign_up.title': 'Konto erstellen',
  'sign_up.lead':
    'Geben Sie Ihre E-Mail-Adresse ein. Sie erhalten einen Link, mit dem es weitergeht.',
  'sign_up.submit': 'Link senden',
  'sign_up.back': 'Zurück zur Anmeldung',
  'sign_up.sent_title': 'Sehen Sie in Ihre E-Mails',
  'sign_up.sent':
    'Eine Mail ist unterwegs an {email}. Ihr Link gilt einen Tag. Sehen Sie auch unter den unerwünschten Mails nach.',
  'sign_up.account_title': 'Ihr neues Konto',
  'sign_up.name': 'Name (freiwillig)',
  'sign_up.create': 'Konto erstellen',
  'sign_up.name_refused': 'Geben Sie einen sichtbaren Namen mit höchstens 200 Zeichen ein.',
  'sign_up.accept': 'Ich stimme zu: {title}',
  'sign_up.texts_refused':
    'Stimmen Sie jedem Text zu, um fortzufahren. Ohne dies gibt es kein Konto.',
  'sign_up.dead': 'Er wurde benutzt oder ist älter als ein Tag. Fordern Sie einen neuen an.',
  'sign_up.off': 'Konten erstellen diejenigen, die diesen Dienst betreiben.',
  'sign_up.by_invitation':
    'Neue Konten gibt es hier auf Einladung. Folgen Sie dem Link in Ihrer Einladung, oder bitten Sie um eine.',

  'sign_in_link.title': 'Mit einem Link anmelden',
  'sign_in_link.lead':
    'Geben Sie die E-Mail-Adresse Ihres Kontos ein. Sie erhalten einen Link, der Sie in diesem Browser anmeldet.',
  'sign_in_link.sent':
    'Wenn es ein Konto mit der Adresse {email} gibt, ist ein Link dorthin unterwegs. Öffnen Sie ihn innerhalb von zehn Minuten in diesem Browser.',
  'sign_in_link.back': 'Zurück zur Anmeldung',
  'sign_in_link.dead':
    'Er wurde benutzt oder ist älter als zehn Minuten. Fordern Sie einen neuen an.',
  'sign_in_link.elsewhere':
    'Öffnen Sie den Link in dem Browser, in dem Sie ihn angefordert haben, oder fordern Sie hier einen neuen an.',
  'sign_in_link.off': 'Dieser Dienst meldet niemanden mit einem Link an.',

  'logout.title': 'Abmelden',
  'logout.client_asks': '{client} möchte Sie abmelden.',
  'logout.lead': 'Sie werden in diesem Browser abgemeldet.',
  'logout.submit': 'Abmelden',
  'logout.cancel': 'Angemeldet bleiben',

  'signed_out.title': 'Sie sind abgemeldet',
  'signed_out.text': 'Schließen Sie auch den Browser, wenn andere diesen Computer benutzen.',
  'signed_out.sign_in': 'Wieder anmelden',
  'signed_out.back': 'Weiter zu {host}',

  'setup.title': 'Ersten Operator einrichten',
  'setup.lead': 'Dieses Konto darf alles verwalten: Personen, Geräte, Anwendungen und Zugriffe.',
  'setup.email': 'E-Mail-Adresse',
  'setup.password': 'Passwort',
  'setup.submit': 'Operator anlegen',
  'setup.dead_title': 'Dieser Link gilt nicht mehr',
  'setup.dead':
    'Er wurde benutzt, ist älter als eine Stunde, oder es gibt bereits einen Operator. Gibt es noch keinen, so zeigt ein Neustart einen neuen Link, ebenso der Befehl setup-link.',

  'recovery.title': 'Neues Passwort festlegen',
  'recovery.lead':
    'Alle Sitzungen Ihres Kontos enden damit, und Anwendungen müssen Sie erneut fragen.',
  'recovery.account': 'Konto',
  'recovery.password': 'Neues Passwort',
  'recovery.submit': 'Passwort festlegen',
  'recovery.dead_title': 'Dieser Link funktioniert nicht',
  'recovery.dead_unknown':
    'Er ist unvollständig, oder ein neuerer Link hat ihn ersetzt. Fordern Sie einen anderen an.',
  'recovery.dead_expired': 'Er ist älter als eine Stunde. Fordern Sie einen anderen an.',
  'recovery.dead_used':
    'Mit ihm wurde bereits ein neues Passwort festgelegt. Waren Sie das nicht, so melden Sie es sofort dem Betreiber dieses Dienstes.',
  'recovery.done_title': 'Ihr Passwort ist geändert',
  'recovery.done': 'Alle Sitzungen sind beendet, und Anwendungen müssen Sie erneut fragen.',
  'recovery.sign_in': 'Anmelden',

  'recovery_request.title': 'Passwort vergessen?',
  'recovery_request.lead':
    'Geben Sie die E-Mail-Adresse Ihres Kontos ein. Sie erhalten einen Link zu einem neuen Passwort.',
  'recovery_request.submit': 'Link senden',
  'recovery_request.back': 'Zurück zur Anmeldung',
  'recovery_request.too_many':
    'Zu viele Anfragen. Warten Sie einige Minuten und versuchen Sie es erneut.',
  'recovery_request.sent_title': 'Sehen Sie in Ihre E-Mails',
  'recovery_request.sent':
    'Gibt es ein Konto mit der Adresse {email}, so ist ein Link dorthin unterwegs. Er gilt eine Stunde. Sehen Sie auch im Spam-Ordner nach.',

  'form_post.title': 'Einen Moment',
  'form_post.lead': 'Sie kehren zurück zu {host}.',
  'form_post.submit': 'Weiter',

  'form.out_of_date':
    'Das Formular ist veraltet oder wurde von einer anderen Website gesendet. Gehen Sie zurück, laden Sie die Seite neu und versuchen Sie es erneut.',
  'form.email_invalid': 'Geben Sie eine E-Mail-Adresse wie ann@example.com ein.',
  'form.email_taken': 'Es gibt bereits ein Konto mit dieser E-Mail-Adresse.',
  'form.action': 'Das Formular wurde ohne bekannte Schaltfläche gesendet.',

  'password.hint':
    'Mindestens {min, number} Zeichen. Gut sind vier oder fünf zufällig gewählte Wörter.',
  'password.control': 'Das Passwort darf keine Steuerzeichen enthalten.',
  'password.too_long': 'Das Passwort darf höchstens {max, number} Byte lang sein.',
  'password.too_short':
    'Das Passwort muss mindestens {min, plural, one {ein Zeichen} other {# Zeichen}} lang sein.',
  'password.guessable':
    'Das Passwort gehört zu denen, die als Erste durchprobiert werden. Wählen Sie vier oder fünf zufällige Wörter.',
  'password.breached':
    'Das Passwort ist aus einem Datenleck bekannt und würde deshalb erraten. Wählen Sie vier oder fünf zufällige Wörter.',

  'error.title': 'Das hat nicht funktioniert',
  'error.not_found_title': 'Nicht gefunden',
  'error.not_found': 'Unter dieser Adresse gibt es keine Seite.',
  'error.ended':
    'Dieser Vorgang ist beendet oder schon abgeschlossen. Gehen Sie zurück zur Anwendung und beginnen Sie erneut.',
  'error.unknown_client': 'Die Anwendung, von der Sie kommen, ist hier nicht bekannt.',
  'error.not_allowed': 'Ihr Konto hat nicht die Rechte, um die die Anwendung bittet.',
  'error.refused':
    'Diese Anfrage kann nicht beantwortet werden. Kamen Sie aus einer Anwendung, so melden Sie es deren Betreiber.',
  'error.too_many': 'Aus Ihrem Netz kamen zu viele Versuche. Versuchen Sie es später erneut.',
  'error.busy': 'Der Dienst ist ausgelastet. Versuchen Sie es gleich noch einmal.',
  'error.internal': 'Hier ist etwas schiefgegangen. Versuchen Sie es später erneut.',
  'error.request': 'Anfrage {id}',
  'error.footer': 'Sie können diese Seite schließen oder zurückgehen und es noch einmal versuchen.',

  'language.title': 'Sprache',
  'language.change': 'Sprache ändern: {language}',
  'language.account': 'Auch E-Mails an Sie kommen in dieser Sprache.',
  'language.back': 'Zurück ohne Änderung',
}
