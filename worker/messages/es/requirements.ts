// Spanish: whatever a person lacks after a sign-in, and the consents of the account.
import type { enRequirements } from '../en/requirements.ts'
import type { TextsOf } from '../text_types.ts'

export const esRequirements: TextsOf<typeof enRequirements> = {
  'missing.read': 'Leer: {title}',
  'missing.consent_lead': 'Lea esto y acéptelo para continuar.',
  'missing.consent_again_lead':
    'Para continuar se necesita de nuevo su aceptación. Puede que el texto haya cambiado.',
  'missing.guardian_lead':
    'Es usted demasiado joven para decidir esto sin ayuda. Decide su madre, su padre o su tutor: pídales que se dirijan a quienes gestionan este servicio. Después, inicie sesión de nuevo.',
  'missing.accept': 'Aceptar',
  'missing.decline': 'No aceptar y cerrar la sesión',
  'missing.profile_title': 'Complete su perfil',
  'missing.profile_lead': 'Es necesario antes de continuar.',
  'missing.phone_hint': 'Con el prefijo del país, por ejemplo +48 22 123 45 67.',
  'missing.profile_fault': 'Revise de nuevo: {fields}.',
  'missing.password_title': 'Elija una contraseña nueva',
  'missing.password_lead':
    'Necesita otra contraseña antes de continuar. Al cambiarla se cierran todas las demás sesiones, y las aplicaciones tendrán que volver a preguntarle.',
  'missing.present_password': 'Contraseña actual',
  'missing.new_password': 'Contraseña nueva',
  'missing.wrong_password': 'La contraseña actual no es correcta.',
  'missing.same_password': 'La contraseña nueva es la actual. Elija otra.',
  'missing.too_many': 'Demasiados intentos. Espere unos minutos y vuelva a intentarlo.',
  'missing.save': 'Guardar y continuar',
  'missing.sign_out': 'Cerrar la sesión',

  'missing.address_title': 'Confirme su dirección de correo',
  'missing.address_lead':
    'Se envía un enlace a su dirección. Ábralo en este navegador, confirme y continúe aquí.',
  'missing.address_proven': 'La he confirmado',
  'missing.address_again': 'Enviar de nuevo',
  'missing.factor_title': 'Añadir un segundo factor',
  'missing.factor_lead':
    'Aquí no basta con una contraseña. Añada una aplicación de autenticación o una llave de acceso para continuar; la próxima vez se le pedirá.',
  'missing.factor_app': 'Con una aplicación de autenticación',
  'missing.factor_passkey': 'Con una llave de acceso',
  'missing.factor_mail': 'Con un código por correo',
  'missing.factor_mail_lead':
    'Se envía un código a su dirección, válido solo por esta vez. Con una aplicación o una llave de acceso no necesita correo.',
  'missing.factor_mail_send': 'Enviar un código',
  'missing.factor_mail_sent': 'Un código va camino de {email}. Es válido durante diez minutos.',
  'missing.factor_other': 'Otra manera',
  'missing.code_refused':
    'Este código no es correcto, ya se usó o es demasiado antiguo. Inténtelo de nuevo o pida uno nuevo.',
  'missing.factor_save': 'Añadir y continuar',

  'field.name': 'Nombre completo',
  'field.given_name': 'Nombre',
  'field.family_name': 'Apellidos',
  'field.middle_name': 'Segundo nombre',
  'field.nickname': 'Apodo',
  'field.gender': 'Género',
  'field.birthdate': 'Fecha de nacimiento',
  'field.phone_number': 'Número de teléfono',

  'consents.title': 'Sus consentimientos',
  'consents.none': 'No hay nada que decidir.',
  'consents.required': 'Obligatorio',
  'consents.guardian':
    'Es usted demasiado joven para aceptar un texto sin ayuda. Decide su madre, su padre o su tutor, que se dirige a quienes gestionan este servicio.',
  'consents.by_guardian': 'Decidido por {guardian}.',
  'consents.read': 'Leer el texto',
  'consents.not_accepted': 'No aceptado',
  'consents.accepted': 'Aceptado el {day}',
  'consents.outdated': 'Versión anterior aceptada el {day}',
  'consents.withdrawn': 'Retirado el {day}',
  'consents.newer': 'La nueva versión es necesaria a partir del {day}',
  'consents.accept': 'Aceptar',
  'consents.accept_of': 'Aceptar: {title}',
  'consents.withdraw': 'Retirar',
  'consents.withdraw_of': 'Retirar: {title}',
  'consents.withdraw_hint':
    'Al retirarlo se cierra su sesión en todas partes y termina el acceso de todas las aplicaciones y asistentes. Se le preguntará de nuevo la próxima vez que inicie sesión.',
  'missing.renewed_title': 'Su acceso se ha renovado',
  'missing.renewed': '{by} creó el {time} un enlace nuevo para la contraseña de su cuenta.',
  'missing.renewed_note':
    'Los propietarios de {place} crearon su cuenta y pueden hacerlo. Si usted no lo pidió, hable con ellos.',
  'missing.renewed_seen': 'Continuar',
}
