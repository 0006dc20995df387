// After each test file that runs over databases that are lent: they are given back.
import { afterAll } from 'vitest'
import { lender } from '../databases/remote.ts'

afterAll(lender.closeDatabases)
