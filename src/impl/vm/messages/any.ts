/**
 * `google.protobuf.Any` as containerd writes it: bare names. The prefix `type.googleapis.com/`, which protobuf's own
 * packers write, is refused by shims.
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import { OciError } from '../../../errors/index.ts'

export interface PackedAny {
  readonly typeUrl: string
  readonly value: Uint8Array
}

const runtimeSpec = 'types.containerd.io/opencontainers/runtime-spec/1'

export function packMessage<Desc extends DescMessage>(schema: Desc, init: MessageInitShape<Desc>): PackedAny {
  return { typeUrl: schema.typeName, value: toBinary(schema, create(schema, init)) }
}

/** Types of the OCI specification travel as JSON. */
export function packSpecType(name: 'Process' | 'LinuxResources', json: string): PackedAny {
  return { typeUrl: `${runtimeSpec}/${name}`, value: new TextEncoder().encode(json) }
}

/** Undefined when it holds something else. ERR_RUNTIME_FAILED when it does not hold what it says. */
export function unpackMessage<Desc extends DescMessage>(
  schema: Desc,
  any: Any | undefined,
): MessageShape<Desc> | undefined {
  if (any === undefined || any.typeUrl.split('/').at(-1) !== schema.typeName) return undefined
  try {
    return fromBinary(schema, any.value)
  } catch (error) {
    throw new OciError('ERR_RUNTIME_FAILED', `the shim sent what is no ${schema.typeName}`, { cause: error })
  }
}
