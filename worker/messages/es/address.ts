// Spanish: the address and the password of an account, changed by its person.
import type { enAddress } from '../en/address.ts'
import type { TextsOf } from '../text_types.ts'

export const esAddress: TextsOf<typeof enAddress> = {
  'address.title': 'Correo electrónico',
  'address.lead':
    'Una dirección nueva cuenta cuando haya seguido el enlace que se le envía. La actual recibe un aviso y puede deshacerlo durante una semana.',
  'address.present': 'Dirección actual',
  'address.new': 'Dirección nueva',
  'address.submit': 'Enviar el enlace',
  'address.too_many': 'Demasiados mensajes. Espere unos minutos e inténtelo de nuevo.',
  'address.sent_title': 'Mire su correo',
  'address.sent': 'Un enlace va camino de {email}. Es válido durante un día.',
  'address.confirm_title': '¿Es esta su dirección?',
  'address.confirm_lead': 'Será la dirección de esta cuenta: {email}',
  'address.confirm': 'Sí, usar esta dirección',
  'address.undo_title': 'Restablecer la dirección anterior',
  'address.undo_lead':
    'La cuenta recupera la dirección {email}. Se cierran todas las sesiones, las aplicaciones tienen que volver a pedir acceso y se quitan los factores añadidos desde entonces. Establezca una contraseña nueva.',
  'address.undo': 'Restablecer',
  'address.undone':
    'La cuenta vuelve a tener la dirección {email}. Inicie sesión con la contraseña nueva.',
  'address.done_title': 'La dirección ha cambiado',
  'address.done': 'La cuenta tiene ahora la dirección {email}.',
  'address.dead_title': 'Este enlace no funciona',
  'address.dead': 'Ya se usó, es demasiado antiguo o la cuenta cambió mientras tanto.',
  'address.taken': 'Otra cuenta tiene esta dirección.',
  'address.account': 'Cuenta',
  'address.confirm_further': 'Se añade a esta cuenta: {email}',
  'address.added': 'La cuenta tiene ahora también la dirección {email}.',

  'names.title': 'Nombres y direcciones',
  'names.lead':
    'Inicia sesión con cada dirección confirmada y con su nombre de usuario. Los correos van a una de las direcciones.',
  'names.is_primary': 'Aquí llegan los correos',
  'names.is_unproven': 'sin confirmar',
  'names.kind_email': 'Correo electrónico',
  'names.kind_user_name': 'Nombre de usuario',
  'names.kind_phone': 'Teléfono',
  'names.primary_button': 'Enviar los correos aquí',
  'names.remove_button': 'Eliminar',
  'names.add': 'Añadir una dirección',
  'names.primary': 'Los correos van a esta dirección. Elija antes otra para ellos.',
  'names.unproven': 'Esta dirección no está confirmada. Siga el enlace que se le envió.',
  'names.busy': 'La cuenta se cambió al mismo tiempo. Inténtelo de nuevo.',
  'names.full': 'La cuenta tiene todos los nombres que puede tener. Elimine antes uno.',

  'new_password.title': 'Cambiar la contraseña',
  'new_password.lead': 'Se cerrará la sesión en sus otros navegadores.',
  'new_password.present': 'Contraseña actual',
  'new_password.new': 'Contraseña nueva',
  'new_password.submit': 'Cambiar la contraseña',
  'new_password.refused': 'La contraseña actual no es correcta. Compruébela e inténtelo de nuevo.',
}
