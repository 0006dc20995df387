// After each test file that runs in workerd: its databases are given back.
import { afterAll } from 'vitest'
import { closeDatabases } from '../context.ts'

afterAll(closeDatabases)
