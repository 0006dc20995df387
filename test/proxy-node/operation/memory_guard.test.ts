// The guard of the memory: when it lets nobody in, and when it does again.

import { describe, expect, test } from 'vitest'
import {
  findMemoryMax,
  guardMemory,
  type MemoryReading,
} from '../../../proxy-node/operation/memory_guard.ts'

const MB = 1_048_576

function watch(max: number) {
  const reading: MemoryReading = { resident: 50, used: 30, heap: 20, heapMax: 1000 }
  const changes: [boolean, number][] = []
  const guard = guardMemory(
    max * MB,
    (isFull, megabytes) => changes.push([isFull, megabytes]),
    () => ({
      resident: reading.resident * MB,
      used: reading.used * MB,
      heap: reading.heap * MB,
      heapMax: reading.heapMax * MB,
    }),
  )
  guard.close()
  return {
    changes,
    set: (next: Partial<MemoryReading>) => {
      Object.assign(reading, next)
      guard.look()
      return guard.isFull()
    },
  }
}

describe('memory', () => {
  test('that is full lets nobody in, until some of it went back to the system', () => {
    const { set, changes } = watch(100)
    expect(set({ resident: 99, used: 80 })).toBe(false)
    expect(set({ resident: 100 })).toBe(true)
    expect(set({ resident: 96 })).toBe(true)
    expect(set({ resident: 94 })).toBe(false)
    expect(changes).toEqual([
      [true, 100],
      [false, 94],
    ])
  })

  test('that the system does not get back counts as free when half of it is', () => {
    const { set } = watch(100)
    expect(set({ resident: 105, used: 80 })).toBe(true)
    expect(set({ resident: 105, used: 50 })).toBe(true)
    expect(set({ resident: 105, used: 39 })).toBe(false)
  })

  test('of the heap is full before its own end', () => {
    const { set } = watch(5000)
    expect(set({ resident: 2000, heap: 899, used: 950 })).toBe(false)
    expect(set({ heap: 901 })).toBe(true)
    expect(set({ heap: 850 })).toBe(true)
    expect(set({ heap: 700 })).toBe(false)
  })

  test('that the system does not tell is as it was', () => {
    let reading: MemoryReading | undefined = { resident: 2, used: 2, heap: 1, heapMax: 10 }
    const guard = guardMemory(
      1,
      () => {},
      () => reading,
    )
    guard.close()
    reading = undefined
    guard.look()
    expect(guard.isFull()).toBe(true)
  })

  test('of the machine or its container bounds it without a setting', () => {
    expect(findMemoryMax()).toBeGreaterThan(64 * MB)
    expect(Number.isFinite(findMemoryMax())).toBe(true)
  })
})
