import { create, toBinary } from '@bufbuild/protobuf'
import { describe, expect, it } from 'vitest'
import { packMessage, packSpecType, unpackMessage } from '../../../src/impl/vm/messages/any.ts'
import { OptionsSchema } from '../../../src/impl/vm/messages/generated/runc-options_pb.ts'
import { TaskExitSchema } from '../../../src/impl/vm/messages/generated/task-events_pb.ts'
import { nanosOf } from '../../../src/impl/vm/messages/instant.ts'

const instant = (seconds: bigint, nanos: number) =>
  ({ $typeName: 'google.protobuf.Timestamp', seconds, nanos }) as const

describe('a packed message', () => {
  it('bears its bare name, as shims want it', () => {
    expect(packMessage(OptionsSchema, { binaryName: 'crun', root: '/r' })).toEqual({
      typeUrl: 'containerd.runc.v1.Options',
      value: new Uint8Array(Buffer.from('32046372756e3a022f72', 'hex')),
    })
  })

  it('of the OCI specification is JSON', () => {
    const { typeUrl, value } = packSpecType('Process', JSON.stringify({ cwd: '/' }))
    expect(typeUrl).toBe('types.containerd.io/opencontainers/runtime-spec/1/Process')
    expect(Buffer.from(value).toString()).toBe('{"cwd":"/"}')
  })

  it('is unpacked by its name, with or without a prefix, and is not taken for another', () => {
    const value = toBinary(TaskExitSchema, create(TaskExitSchema, { containerId: 'c', exitStatus: 3 }))
    const any = (typeUrl: string) => ({ $typeName: 'google.protobuf.Any', typeUrl, value }) as const
    for (const typeUrl of ['containerd.events.TaskExit', 'type.googleapis.com/containerd.events.TaskExit'])
      expect(unpackMessage(TaskExitSchema, any(typeUrl))).toMatchObject({ containerId: 'c', exitStatus: 3 })
    expect(unpackMessage(TaskExitSchema, any('containerd.events.TaskOOM'))).toBeUndefined()
    expect(() => unpackMessage(OptionsSchema, any('containerd.runc.v1.Options'))).toThrow(
      expect.objectContaining({ code: 'ERR_RUNTIME_FAILED' }),
    )
  })
})

describe('an instant', () => {
  it('keeps its nanoseconds', () => {
    expect(nanosOf(instant(1_700_000_000n, 123_456_789))).toBe(1_700_000_000_123_456_789n)
  })

  it('is never at Go’s zero time', () => {
    expect(nanosOf(instant(-62_135_596_800n, 0))).toBeUndefined()
    expect(nanosOf(undefined)).toBeUndefined()
  })
})
