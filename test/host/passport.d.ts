// Types of two packages that come without them, as far as the tests use them.
declare module 'passport' {
  const passport: {
    authenticate(
      strategy: object,
      done: (error: unknown, user: unknown, info: unknown) => void,
    ): (request: object, response: object, next: (error: unknown) => void) => void
  }
  export default passport
}
declare module 'passport-openidconnect' {
  export class Strategy {
    constructor(options: object, verify: (...args: never[]) => void)
  }
}
