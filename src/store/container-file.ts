/**
 * `container.json`: what `new Container` was given, so that a restart can make the same container again. Written once,
 * before the container is created; what changes stands in `state.json`.
 */
import { z } from 'zod'
import { isContainerId } from '../container-fields.ts'
import { Container, type ContainerOptions } from '../container.ts'
import { isOciError } from '../errors/index.ts'
import { readTextFile, writeTextFile } from '../files.ts'
import type { WriteTextOptions } from '../files.ts'
import {
  corrupt,
  formatDocument,
  parseDocument,
  stateFileMaxBytes,
  stringMapSchema,
  timestampSchema,
} from './documents.ts'

const containerFileVersion = 1

const text = z.string().exactOptional()
const flag = z.boolean().exactOptional()

const documentSchema = z.object({
  version: z
    .int()
    .min(1)
    .max(containerFileVersion, `must be at most ${containerFileVersion}: a newer release wrote the file`),
  id: z.string().refine(isContainerId, 'must be a container id'),
  name: text,
  bundlePath: z.string(),
  logPath: text,
  netns: text,
  labels: stringMapSchema.exactOptional(),
  crioAnnotations: stringMapSchema.exactOptional(),
  annotations: stringMapSchema.exactOptional(),
  image: text,
  imageName: text,
  imageRef: text,
  metadata: z.object({ name: z.string(), attempt: z.int().nonnegative() }).exactOptional(),
  sandbox: text,
  terminal: flag,
  stdin: flag,
  stdinOnce: flag,
  privileged: flag,
  runtimeHandler: text,
  dir: text,
  createdAt: timestampSchema.exactOptional(),
  stopSignal: z.union([z.string(), z.int()]).exactOptional(),
})

/** The path of a container's `container.json`. */
export function containerFilePath(container: Pick<Container, 'dir'>): string {
  return `${container.dir}/container.json`
}

/**
 * Writes `container.json` atomically and durably, with every default filled in: a later release's defaults must not
 * change a container that exists. Throws ERR_IO; ERR_INVALID_ARGUMENT when it would be too large.
 */
export async function writeContainerFile(
  container: Container,
  options: WriteTextOptions = {},
): Promise<void> {
  await writeTextFile(containerFilePath(container), encodeContainer(container), options)
}

/** Reads a `container.json`; undefined only when there is none. ERR_STATE_CORRUPT, ERR_IO as for state files. */
export async function readContainerFile(path: string): Promise<ContainerOptions | undefined> {
  const content = await readTextFile(path, {
    maxBytes: stateFileMaxBytes,
    code: 'ERR_STATE_CORRUPT',
    isPrivate: true,
  })
  return content === undefined ? undefined : decodeContainer(content, path)
}

export function encodeContainer(container: Container): string {
  const document = { version: containerFileVersion, ...optionsOf(container) }
  return formatDocument(document, documentSchema, 'container.json')
}

/** Options that `new Container` accepts, or ERR_STATE_CORRUPT naming the file and the field. */
export function decodeContainer(content: string, file: string): ContainerOptions {
  const { version: _, createdAt, ...given } = parseDocument(content, documentSchema, file)
  const options: ContainerOptions =
    createdAt === undefined ? given : { ...given, createdAt: new Date(createdAt) }
  try {
    return optionsOf(new Container(options))
  } catch (error) {
    if (!isOciError(error)) throw error
    throw corrupt(file, error.field, `is malformed: ${error.message}`, error)
  }
}

/** The options that make the same container again. */
export function optionsOf(container: Container): ContainerOptions {
  const { id, name, bundlePath, logPath, netns, labels, crioAnnotations, annotations } = container
  const { image, imageName, imageRef, metadata, sandbox, terminal, stdin, stdinOnce, privileged } = container
  const { runtimeHandler, dir, createdAt, stopSignal } = container
  const given = {
    id,
    name,
    bundlePath,
    logPath,
    labels,
    crioAnnotations,
    annotations,
    image,
    imageName,
    imageRef,
  }
  return {
    ...given,
    ...(netns === undefined ? {} : { netns }),
    ...(metadata === undefined ? {} : { metadata }),
    ...(runtimeHandler === undefined ? {} : { runtimeHandler }),
    sandbox,
    terminal,
    stdin,
    stdinOnce,
    privileged,
    dir,
    createdAt,
    stopSignal,
  }
}
