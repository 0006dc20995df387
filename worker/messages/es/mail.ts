// Spanish: mails.
import type { enMail } from '../en/mail.ts'
import type { TextsOf } from '../text_types.ts'

export const esMail: TextsOf<typeof enMail> = {
  'mail.sender': '{service}',
  'mail.greeting': 'Hola, {name}:',
  'mail.good_for_days':
    '{count, plural, one {Es válido durante un día y una sola vez.} other {Es válido durante # días y una sola vez.}}',
  'mail.good_for_hours':
    '{count, plural, one {Es válido durante una hora y una sola vez.} other {Es válido durante # horas y una sola vez.}}',
  'mail.good_for_minutes':
    '{count, plural, one {Es válido durante un minuto y una sola vez.} other {Es válido durante # minutos y una sola vez.}}',
  'mail.copy': 'Si el botón no hace nada, copie esta dirección en su navegador:',
  'mail.client': 'Venía de {client}.',
  'mail.foot': 'Este mensaje lo envió {service}. Nadie lee las respuestas.',

  'mail_recovery.subject': 'Establecer una contraseña nueva para {service}',
  'mail_recovery.heading': 'Establecer una contraseña nueva',
  'mail_recovery.lead':
    'Con el botón puede establecer una contraseña nueva para su cuenta de {service}. Entonces se cerrarán todas sus sesiones.',
  'mail_recovery.button': 'Establecer una contraseña nueva',
  'mail_recovery.note':
    'Si no lo ha pedido, no haga nada: su contraseña no cambia. No dé el enlace a nadie.',

  'mail_verify_address.subject': 'Confirme su dirección para {service}',
  'mail_verify_address.heading': 'Confirme su dirección',
  'mail_verify_address.lead':
    'Confirme que esta dirección es suya y que pertenece a su cuenta de {service}.',
  'mail_verify_address.button': 'Confirmar la dirección',
  'mail_verify_address.note': 'Si no tiene cuenta allí, no haga nada: sin usted no se confirmará.',

  'mail_sign_up.subject': 'Su cuenta en {service}',
  'mail_sign_up.heading': 'Continúe con su cuenta',
  'mail_sign_up.lead':
    'Alguien, esperamos que usted, quiere una cuenta en {service} con esta dirección.',
  'mail_sign_up.button': 'Crear la cuenta',
  'mail_sign_up.note': 'Si no fue usted, no haga nada: no se crea ninguna cuenta.',

  'mail_account_exists.subject': 'Ya tiene una cuenta en {service}',
  'mail_account_exists.heading': 'Ya tiene una cuenta',
  'mail_account_exists.lead':
    'Alguien, esperamos que usted, quería una cuenta nueva en {service} con esta dirección. Ya existe una: inicie sesión o elija allí una contraseña nueva.',
  'mail_account_exists.button': 'Iniciar sesión',
  'mail_account_exists.note': 'Si no fue usted, no tiene que hacer nada.',

  'mail_address_changed.subject': 'Su dirección en {service} ha cambiado',
  'mail_address_changed.heading': 'Su dirección ha cambiado',
  'mail_address_changed.lead':
    'Su cuenta de {service} tiene ahora la dirección {address}. Esta ya no le pertenece.',
  'mail_address_changed.button': 'No fui yo: deshacer',
  'mail_address_changed.note': 'Si la cambió usted, no hay nada que hacer.',

  'mail_addresses_changed.subject': 'Las direcciones de su cuenta de {service} han cambiado',
  'mail_addresses_changed.heading': 'Las direcciones de su cuenta han cambiado',
  'mail_addresses_changed.added':
    'Se añadió la dirección {address} a su cuenta de {service}. Con ella se puede iniciar sesión y poner una contraseña nueva.',
  'mail_addresses_changed.primary':
    'Los correos sobre su cuenta de {service} van desde ahora a la dirección {address}.',

  'mail_sign_in_link.subject': 'Iniciar sesión en {service}',
  'mail_sign_in_link.heading': 'Iniciar sesión',
  'mail_sign_in_link.lead':
    'El botón inicia su sesión en {service}, en el navegador en el que lo pidió.',
  'mail_sign_in_link.button': 'Iniciar sesión',
  'mail_sign_in_link.note': 'Si no lo ha pedido, no haga nada. No dé el enlace a nadie.',

  'mail_sign_in_code.subject': 'Su código para {service}',
  'mail_sign_in_code.heading': 'Su código',
  'mail_sign_in_code.lead': 'Escriba este código donde {service} se lo pida:',
  'mail_sign_in_code.note':
    'Si no está iniciando sesión, otra persona lo intenta. No dé el código a nadie: nadie que trabaje para {service} lo pide nunca.',

  'mail_invitation.subject': 'Una invitación a {service}',
  'mail_invitation.heading': 'Tiene una invitación',
  'mail_invitation.lead': 'Le invitan a crear una cuenta en {service}.',
  'mail_invitation.inviter': 'La invitación es de {inviter}.',
  'mail_invitation.place': 'Lleva a: {place}.',
  'mail_invitation.button': 'Aceptar la invitación',
  'mail_invitation.note': 'Si no espera ninguna invitación, no haga nada.',

  'mail_account_closed.subject': 'Su cuenta en {service} está cerrada',
  'mail_account_closed.heading': 'Su cuenta está cerrada',
  'mail_account_closed.lead':
    'Su cuenta en {service} se ha cerrado. Se eliminará el {day}, con todo su contenido.',
  'mail_account_closed.keep':
    'Hasta entonces puede conservarla: inicie sesión y elija conservar la cuenta.',
  'mail_account_closed.button': 'Iniciar sesión',
  'mail_account_closed.note':
    'Si no la ha cerrado usted, inicie sesión, consérvela y cambie la contraseña.',

  'mail_factor_removed.subject': 'Se quitó un factor de inicio de sesión en {service}',
  'mail_factor_removed.heading': 'Se quitó un factor',
  'mail_factor_removed.lead': 'El factor «{factor}» ya no protege su cuenta de {service}.',
  'mail_factor_removed.button': 'No fui yo: deshacer',
  'mail_factor_removed.note': 'Si lo quería así, no hay nada que hacer.',

  'mail_factor_added.subject': 'Su inicio de sesión en {service} ha cambiado',
  'mail_factor_added.heading': 'Su inicio de sesión ha cambiado',
  'mail_factor_added.app':
    'La aplicación de autenticación «{factor}» sirve ahora, junto a su contraseña, para iniciar sesión en {service}.',
  'mail_factor_added.passkey':
    'La llave de acceso «{factor}» sirve ahora para iniciar sesión en {service}.',
  'mail_factor_added.codes':
    'Se crearon códigos de recuperación nuevos para su cuenta de {service}. Los anteriores ya no sirven.',
  'mail_factor_added.note':
    'Si no fue usted, ponga ahora una contraseña nueva y revise la página de seguridad de su cuenta.',

  'mail_recovery_codes_low.subject': 'Quedan pocos códigos de recuperación en {service}',
  'mail_recovery_codes_low.heading': 'Quedan pocos códigos de recuperación',
  'mail_recovery_codes_low.lead':
    '{left, plural, one {Queda # código de recuperación} other {Quedan # códigos de recuperación}} para su cuenta de {service}.',
  'mail_recovery_codes_low.note':
    'Inicie sesión y cree códigos nuevos en la página de su cuenta antes de necesitarlos.',

  'mail_new_browser.subject': 'Un nuevo inicio de sesión en {service}',
  'mail_new_browser.heading': 'Un nuevo inicio de sesión',
  'mail_new_browser.lead':
    'Su cuenta de {service} se abrió en un navegador que no conoce: {browser}, desde {address}, el {time}.',
  'mail_new_browser.note':
    'Si no fue usted, establezca una contraseña nueva y cierre sesión en todas partes desde la página de su cuenta.',

  'mail_test.subject': 'Un mensaje de prueba de {service}',
  'mail_test.heading': 'Funciona',
  'mail_test.lead': 'Los mensajes de {service} llegan a esta dirección.',
  'mail_test.note': 'Un operador envió este mensaje para comprobar el envío.',
}
