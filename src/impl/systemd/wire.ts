/**
 * The wire format of D-Bus: messages as bytes and back, for all types but file descriptors.
 *
 * Deliberately not here: sockets, authentication and who is asked for what (bus.ts, scopes.ts).
 */
import { OciError } from '../../errors/index.ts'

/** A value of D-Bus. `x` and `t` are bigints, other numbers are numbers; arrays, structs and dictionary entries are arrays. */
export type Value = string | number | bigint | boolean | readonly Value[] | Variant

export interface Variant {
  readonly signature: string
  readonly value: Value
}

/** The values of the specification. */
export const messageTypes = { call: 1, reply: 2, error: 3, signal: 4 } as const

export interface Message {
  readonly type: number
  readonly serial: number
  readonly replySerial?: number | undefined
  readonly path?: string | undefined
  readonly interface?: string | undefined
  readonly member?: string | undefined
  readonly errorName?: string | undefined
  readonly destination?: string | undefined
  readonly signature?: string | undefined
  readonly body?: readonly Value[] | undefined
}

/** The specification allows 128 MiB; nothing that we ask for is answered by a thousandth of that. */
export const messageMaxBytes = 1_048_576
const fixedHeaderBytes = 16
const depthMax = 32
const protocolVersion = 1

/** Header fields by their code: their name here, and their type. */
const fields = {
  1: ['path', 'o'],
  2: ['interface', 's'],
  3: ['member', 's'],
  4: ['errorName', 's'],
  5: ['replySerial', 'u'],
  6: ['destination', 's'],
  8: ['signature', 'g'],
} as const

function alignmentOf(type: string): number {
  if ('ygv'.includes(type)) return 1
  if ('nq'.includes(type)) return 2
  return 'xtd({'.includes(type) ? 8 : 4
}

/** The complete types that a signature begins with, one after the other. ERR_INTERNAL for what is no signature. */
export function splitSignature(signature: string): readonly string[] {
  const types: string[] = []
  for (let at = 0; at < signature.length;) {
    const end = endOfType(signature, at)
    types.push(signature.slice(at, end))
    at = end
  }
  return types
}

function endOfType(signature: string, at: number, depth = 0): number {
  const type = signature[at] ?? ''
  if (depth > depthMax || type === '' || !'ybnqiuxtdsoghva({'.includes(type)) throw malformed('a signature')
  if (type === 'a') return endOfType(signature, at + 1, depth + 1)
  const close = type === '(' ? ')' : type === '{' ? '}' : undefined
  if (close === undefined) return at + 1
  let end = at + 1
  while (signature[end] !== close) end = endOfType(signature, end, depth + 1)
  return end + 1
}

function malformed(what: string): OciError {
  return new OciError('ERR_IO', `D-Bus: ${what} is malformed`)
}

class Writer {
  #bytes = Buffer.alloc(256)
  length = 0

  pad(alignment: number): void {
    this.reserve((alignment - (this.length % alignment)) % alignment)
  }

  /** Zeroed room; where it begins. */
  reserve(sizeBytes: number): number {
    const at = this.length
    this.length += sizeBytes
    if (this.length > this.#bytes.length) {
      const larger = Buffer.alloc(2 * this.length)
      this.#bytes.copy(larger)
      this.#bytes = larger
    }
    return at
  }

  u8(number: number): void {
    const at = this.reserve(1)
    this.#bytes.writeUInt8(number, at)
  }

  u32(number: number): void {
    this.pad(4)
    const at = this.reserve(4)
    this.#bytes.writeUInt32LE(number, at)
  }

  patch32(at: number, number: number): void {
    this.#bytes.writeUInt32LE(number, at)
  }

  text(text: string): void {
    const bytes = Buffer.from(text)
    const at = this.reserve(bytes.length + 1)
    bytes.copy(this.#bytes, at)
  }

  number(type: string, value: number | bigint): void {
    this.pad(alignmentOf(type))
    const at = this.reserve(alignmentOf(type))
    if (type === 'n') this.#bytes.writeInt16LE(Number(value), at)
    else if (type === 'q') this.#bytes.writeUInt16LE(Number(value), at)
    else if (type === 'i') this.#bytes.writeInt32LE(Number(value), at)
    else if (type === 'x') this.#bytes.writeBigInt64LE(BigInt(value), at)
    else if (type === 't') this.#bytes.writeBigUInt64LE(BigInt(value), at)
    else if (type === 'd') this.#bytes.writeDoubleLE(Number(value), at)
    else this.#bytes.writeUInt32LE(Number(value), at)
  }

  bytes(): Buffer {
    return this.#bytes.subarray(0, this.length)
  }
}

function writeValue(writer: Writer, type: string, value: Value): void {
  const [first = ''] = type
  if (first === 'y' && typeof value === 'number') writer.u8(value)
  else if (first === 'b' && typeof value === 'boolean') writer.u32(value ? 1 : 0)
  else if ('nqiuxtd'.includes(first) && (typeof value === 'number' || typeof value === 'bigint'))
    writer.number(first, value)
  else if ('so'.includes(first) && typeof value === 'string') {
    writer.u32(Buffer.byteLength(value))
    writer.text(value)
  } else if (first === 'g' && typeof value === 'string') {
    writer.u8(value.length)
    writer.text(value)
  } else if (first === 'v' && typeof value === 'object' && 'signature' in value) {
    writeValue(writer, 'g', value.signature)
    writeValue(writer, value.signature, value.value)
  } else if (first === 'a' && isList(value)) writeArray(writer, type.slice(1), value)
  else if ('({'.includes(first) && isList(value)) {
    writer.pad(8)
    writeValues(writer, type.slice(1, -1), value)
  } else throw new OciError('ERR_INTERNAL', `D-Bus: ${typeof value} is no value of the type ${type}`)
}

function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value)
}

/** The length does not count the padding before the first element. */
function writeArray(writer: Writer, type: string, values: readonly Value[]): void {
  writer.u32(0)
  const lengthAt = writer.length - 4
  writer.pad(alignmentOf(type[0] ?? ''))
  const begin = writer.length
  for (const value of values) writeValue(writer, type, value)
  writer.patch32(lengthAt, writer.length - begin)
}

function writeValues(writer: Writer, signature: string, values: readonly Value[]): void {
  const types = splitSignature(signature)
  if (types.length !== values.length) throw new OciError('ERR_INTERNAL', `D-Bus: not ${signature}`)
  for (const [at, type] of types.entries()) writeValue(writer, type, values[at] ?? '')
}

/** A message in little endian. */
export function encodeMessage(message: Message): Buffer {
  const body = new Writer()
  writeValues(body, message.signature ?? '', message.body ?? [])
  const writer = new Writer()
  writer.u8('l'.charCodeAt(0))
  writer.u8(message.type)
  writer.u8(0)
  writer.u8(protocolVersion)
  writer.u32(body.length)
  writer.u32(message.serial)
  const given = Object.entries(fields).flatMap(([code, [name, signature]]): Value[] => {
    const value = message[name]
    return value === undefined || value === '' ? [] : [[Number(code), { signature, value }]]
  })
  writeArray(writer, '(yv)', given)
  writer.pad(8)
  return Buffer.concat([writer.bytes(), body.bytes()])
}

class Reader {
  readonly #bytes: Buffer
  readonly #little: boolean
  at = 0

  constructor(bytes: Buffer, little: boolean) {
    this.#bytes = bytes
    this.#little = little
  }

  pad(alignment: number): void {
    this.at += (alignment - (this.at % alignment)) % alignment
  }

  /** Where the next so many bytes begin. */
  #take(sizeBytes: number): number {
    const { at } = this
    if (at + sizeBytes > this.#bytes.length) throw malformed('a message')
    this.at += sizeBytes
    return at
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#take(1))
  }

  u32(): number {
    return Number(this.number('u'))
  }

  number(type: string): number | bigint {
    this.pad(alignmentOf(type))
    const at = this.#take(alignmentOf(type))
    const { buffer, byteOffset, length } = this.#bytes
    const view = new DataView(buffer, byteOffset, length)
    if (type === 'n') return view.getInt16(at, this.#little)
    if (type === 'q') return view.getUint16(at, this.#little)
    if (type === 'i') return view.getInt32(at, this.#little)
    if (type === 'x') return view.getBigInt64(at, this.#little)
    if (type === 't') return view.getBigUint64(at, this.#little)
    if (type === 'd') return view.getFloat64(at, this.#little)
    return view.getUint32(at, this.#little)
  }

  text(sizeBytes: number): string {
    const at = this.#take(sizeBytes + 1)
    return this.#bytes.toString('utf8', at, at + sizeBytes)
  }
}

function readValue(reader: Reader, type: string, depth = 0): Value {
  const [first = ''] = type
  if (depth > depthMax) throw malformed('a message')
  if (first === 'y') return reader.u8()
  if (first === 'b') return reader.u32() === 1
  if ('nqiuxtdh'.includes(first)) return reader.number(first)
  if ('so'.includes(first)) return reader.text(reader.u32())
  if (first === 'g') return reader.text(reader.u8())
  if (first === 'v') {
    const signature = reader.text(reader.u8())
    if (splitSignature(signature).length !== 1) throw malformed('a variant')
    return { signature, value: readValue(reader, signature, depth + 1) }
  }
  if (first === 'a') return readArray(reader, type.slice(1), depth)
  reader.pad(8)
  return readValues(reader, type.slice(1, -1), depth + 1)
}

function readArray(reader: Reader, type: string, depth: number): readonly Value[] {
  const sizeBytes = reader.u32()
  reader.pad(alignmentOf(type[0] ?? ''))
  const end = reader.at + sizeBytes
  const values: Value[] = []
  while (reader.at < end) values.push(readValue(reader, type, depth + 1))
  if (reader.at !== end) throw malformed('an array')
  return values
}

function readValues(reader: Reader, signature: string, depth = 0): readonly Value[] {
  return splitSignature(signature).map((type) => readValue(reader, type, depth))
}

/** How long the message is that begins here; undefined when that cannot be told yet. ERR_IO when it is none. */
export function messageLengthBytes(bytes: Buffer): number | undefined {
  if (bytes.length < fixedHeaderBytes) return undefined
  const little = isLittle(bytes)
  const [bodyBytes, fieldsBytes] = [4, 12].map((at) =>
    little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at),
  )
  const lengthBytes = fixedHeaderBytes + Math.ceil((fieldsBytes ?? 0) / 8) * 8 + (bodyBytes ?? 0)
  if (lengthBytes > messageMaxBytes) throw malformed(`a message of ${lengthBytes} bytes`)
  return lengthBytes
}

function isLittle(bytes: Buffer): boolean {
  const order = String.fromCharCode(bytes[0] ?? 0)
  if (order !== 'l' && order !== 'B') throw malformed('a message')
  return order === 'l'
}

/** One whole message. Header fields that we do not know are left out. ERR_IO when it is malformed. */
export function decodeMessage(bytes: Buffer): Message {
  const reader = new Reader(bytes, isLittle(bytes))
  reader.at = 1
  const type = reader.u8()
  reader.at = 8
  const serial = reader.u32()
  const header: Record<string, Value> = {}
  for (const field of readArray(reader, '(yv)', 0)) {
    const [code, variant] = isList(field) ? field : []
    const name = Object.entries(fields).find(([known]) => Number(known) === code)?.[1][0]
    if (name !== undefined && typeof variant === 'object' && 'value' in variant) header[name] = variant.value
  }
  reader.pad(8)
  const text = (name: string) => (typeof header[name] === 'string' ? header[name] : undefined)
  const signature = text('signature') ?? ''
  const { replySerial } = header
  return {
    type,
    serial,
    replySerial: typeof replySerial === 'number' ? replySerial : undefined,
    path: text('path'),
    interface: text('interface'),
    member: text('member'),
    errorName: text('errorName'),
    destination: text('destination'),
    signature,
    body: readValues(reader, signature),
  }
}
