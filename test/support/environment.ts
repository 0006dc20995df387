// The settings that a worker of the tests starts with, and the time that its clock shows then.

export const ISSUER = 'http://localhost:8787'

export const ENVIRONMENT = {
  ISSUER,
  // Hundreds of requests at once wait for each other on a busy machine.
  DATABASE_TIMEOUT: '60',
  SECRET_KEY: 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8',
}

export const EPOCH = 1_800_000_000
