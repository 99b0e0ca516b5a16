import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { describe, expect, it } from 'vitest'
import { ProcessRequestSchema } from '../../../../src/impl/vm/messages/generated/task_pb.ts'
import { RequestSchema } from '../../../../src/impl/vm/messages/generated/ttrpc_pb.ts'
import {
  encodeFrame,
  frameDataMaxBytes,
  FrameReader,
  kindRequest,
} from '../../../../src/impl/vm/ttrpc/frames.ts'

/** A call of State for the container c1, as a Go client sends it. */
const golden =
  '0000004d0000000101000a17636f6e7461696e6572642e7461736b2e76322e5461736b120553746174651a040a0263312a250a1a636f6e7461696e6572642d6e616d6573706163652d7474727063120764656661756c74'

describe('a frame', () => {
  it('is on the wire what Go sends', () => {
    const request = create(RequestSchema, {
      service: 'containerd.task.v2.Task',
      method: 'State',
      payload: toBinary(ProcessRequestSchema, create(ProcessRequestSchema, { id: 'c1' })),
      metadata: [{ key: 'containerd-namespace-ttrpc', value: 'default' }],
    })
    const frame = encodeFrame({ streamId: 1, kind: kindRequest, data: toBinary(RequestSchema, request) })
    expect(frame.toString('hex')).toBe(golden)
  })

  it('is read from pieces of any size', () => {
    const bytes = Buffer.from(golden + golden, 'hex')
    for (const sizeBytes of [1, 7, 10, 11, 87, 100, bytes.length]) {
      const reader = new FrameReader()
      const frames = []
      for (let at = 0; at < bytes.length; at += sizeBytes)
        frames.push(...reader.push(bytes.subarray(at, at + sizeBytes)))
      expect(frames.map(({ streamId, kind }) => [streamId, kind])).toEqual([
        [1, 1],
        [1, 1],
      ])
      expect(fromBinary(RequestSchema, frames[1]?.data ?? new Uint8Array()).method).toBe('State')
    }
  })

  it('of the largest size passes, one byte more does not', () => {
    const largest = encodeFrame({ streamId: 3, kind: 2, data: Buffer.alloc(frameDataMaxBytes, 7) })
    const [frame] = new FrameReader().push(largest)
    expect(frame?.data.length).toBe(frameDataMaxBytes)
    const tooLong = Buffer.alloc(frameDataMaxBytes + 1)
    expect(() => encodeFrame({ streamId: 3, kind: 2, data: tooLong })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    )
    const header = Buffer.from('00400001000000030200', 'hex')
    expect(() => new FrameReader().push(header)).toThrow(
      expect.objectContaining({ code: 'ERR_RUNTIME_FAILED' }),
    )
  })
})
