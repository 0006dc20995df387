// The memory of a process does not grow by things that others can make it remember.
import { expect, test } from 'vitest'
import { recall, remember } from '../../worker/context.ts'
import { startWorker } from '../context.ts'

test('what is too old makes room, what counts stays', async () => {
  const worker = await startWorker()
  const cx = worker.context()
  remember(cx, 'for good', 1, Number.MAX_SAFE_INTEGER / 2)
  for (let i = 0; i < 5000; i++) {
    remember(cx, `client keys https://client.example/${i}`, i, 60)
    worker.clock.now += 1
  }
  expect(cx.memory.size).toBeLessThan(1500)
  expect(recall(cx, 'for good')).toBe(1)
  expect(recall(cx, 'client keys https://client.example/4999')).toBe(4999)
})

test('what is remembered within one second does not grow without end either', async () => {
  const worker = await startWorker()
  const cx = worker.context()
  remember(cx, 'for good', 1, Number.MAX_SAFE_INTEGER / 2)
  for (let i = 0; i < 5000; i++) remember(cx, `client keys https://client.example/${i}`, i, 60)
  expect(cx.memory.size).toBeLessThanOrEqual(1000)
  expect(recall(cx, 'for good')).toBe(1)
  expect(recall(cx, 'client keys https://client.example/4999')).toBe(4999)
  expect(recall(cx, 'client keys https://client.example/0')).toBe(undefined)
})
