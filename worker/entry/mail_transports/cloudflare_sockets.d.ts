// The part of the sockets of Workers that mails need.
declare module 'cloudflare:sockets' {
  export const connect: import('./smtp_session.ts').OpenSocket
}
