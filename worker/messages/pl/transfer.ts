// Polish: a place that gets a new owner, and its mail.

import type { enTransfer } from '../en/transfer.ts'
import type { TextsOf } from '../text_types.ts'

export const plTransfer: TextsOf<typeof enTransfer> = {
  'transfer.title': 'Oferta przekazania miejsca',
  'transfer.inviter': 'Ofertę składa {inviter}.',
  'transfer.place': 'Miejsce: {place}.',
  'transfer.what':
    'Po przyjęciu miejsce należy do Ciebie. Wszystkie inne osoby tracą dostęp, a urządzenia działają dalej.',
  'transfer.there_is_account': 'Istnieje konto z tym adresem. Zaloguj się, aby przyjąć miejsce.',
  'transfer.accept_lead': 'Miejsce zaoferowano na adres {address}. Przyjąć je na tym koncie?',
  'transfer.accept': 'Przyjmij miejsce',
  'transfer.ends': 'Wtedy kończy się:',
  'transfer.people': 'Osoby, które tracą dostęp: {count, number}',
  'transfer.grants': 'Uprawnienia: {count, number}',
  'transfer.invitations': 'Oczekujące zaproszenia: {count, number}',
  'transfer.links': 'Połączenia asystentów i aplikacji: {count, number}',
  'transfer.claim_tokens': 'Sekrety, którymi dochodzą nowe urządzenia: {count, number}',
  'transfer.credentials': 'Klucze urządzeń: {count, number}',
  'transfer.tokens': 'Tokeny urządzeń: {count, number}',
  'transfer.end_credentials':
    'Zakończ klucze dodane dotąd do urządzeń ({count, number}). Urządzenie bez innego klucza trzeba skonfigurować od nowa.',
  'transfer.end_tokens':
    'Zakończ tokeny utworzone dotąd dla urządzeń ({count, number}). Urządzenie, które ma tylko taki token, trzeba skonfigurować od nowa.',
  'transfer.done_title': 'Miejsce należy do Ciebie',
  'transfer.done': '{place} należy do Ciebie. Zakończono:',
  'transfer.dead_title': 'Tego miejsca nie można przyjąć',
  'transfer.dead': 'Oferta została przyjęta lub wycofana albo wygasła. Poproś o nową.',
  'transfer.powerless':
    'Tej oferty nie można już spełnić albo miejsce w międzyczasie zmieniono. Poproś o nową.',
  'mail_transfer.subject': 'Oferta przekazania miejsca w {service}',
  'mail_transfer.heading': 'Miejsce dla Ciebie',
  'mail_transfer.lead': 'Oferujemy Ci przejęcie miejsca: {place}.',
  'mail_transfer.inviter': 'Ofertę składa {inviter}.',
  'mail_transfer.button': 'Zobacz ofertę',
  'mail_transfer.note': 'Jeśli się tego nie spodziewasz, nic nie rób.',
}
