/** A container with everything that can be said of one. */
import type { ContainerOptions } from '../../src/container.ts'

export const everyOption: ContainerOptions = {
  id: 'c1',
  name: 'web',
  bundlePath: '/bundle',
  logPath: '/logs/c1.log',
  netns: '/run/netns/n1',
  labels: { app: 'web' },
  crioAnnotations: { x: 'y' },
  annotations: { a: 'b' },
  image: 'img',
  imageName: 'img:1',
  imageRef: 'img@sha256:00',
  metadata: { name: 'web', attempt: 2 },
  sandbox: 'pod1',
  terminal: true,
  stdin: true,
  stdinOnce: true,
  privileged: true,
  runtimeHandler: 'crun',
  dir: '/state/c1',
  createdAt: new Date('2024-05-06T07:08:09.123Z'),
  stopSignal: 10,
}
