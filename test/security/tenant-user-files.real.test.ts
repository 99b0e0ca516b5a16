/**
 * What is in a running container changes its user files, for the host to read. Deliberately not here: FIFOs, files without an
 * end and those of the kernel. crun itself waits for them, in the container, as it looks for the HOME of whoever it starts.
 */
import { describe, expect, it } from 'vitest'
import { isOciError, type Container } from '../../src/index.ts'
import { openOciHarness } from '../contract/oci-harness.ts'
import { openStage } from '../contract/stage.ts'

const attacks = [
  ['links them to the files of the host', 'ln -sf /proc/1/root/etc/passwd /etc/passwd'],
  ['links them upwards out of its root', 'ln -sf ../../../../../../../../etc/shadow /etc/passwd'],
  ['fills them with line feeds', 'rm -f /etc/passwd; yes "" | head -c 4000000 >/etc/passwd'],
  ['calls its root by a number', 'rm -f /etc/passwd; echo 4294967296:x:0:0::/: >/etc/passwd'],
] as const

describe.each(['crun', 'runc'] as const)('a tenant in a container of %s that', (handler) => {
  const stage = openStage(() => Promise.resolve(openOciHarness(handler)))

  it.each(attacks)('%s is no user of its name, and numbers go on to work', async (_, script) => {
    const container = await stage.started({ args: ['/bin/sleep', '1000'] })
    const asRoot = await stage.runtime.execSyncContainer(container, busybox(script), 20)
    expect(String(asRoot.stderr)).toBe('')
    for (const user of ['daemon', '4294967296', '1000:4294967296'])
      expect(await ended(container, user)).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', field: 'user' })
    expect(await ended(container, '4321')).toBe('4321 0')
    // All containers of this file have one root filesystem.
    await stage.runtime.execSyncContainer(container, busybox('rm -f /etc/passwd'), 20)
    await stage.runtime.deleteContainer(container)
  })

  async function ended(container: Container, user: string): Promise<unknown> {
    try {
      const argv = busybox('echo $(id -u) $(id -g)')
      const { stdout } = await stage.runtime.execSyncContainer(container, argv, 60, { user })
      return String(stdout).trim()
    } catch (error) {
      if (isOciError(error)) return error
      throw error
    }
  }
})

/** The root filesystem has links for a few of its applets only. */
function busybox(script: string): string[] {
  const install = 'mkdir -p /etc /tmp/bin && /bin/busybox --install -s /tmp/bin && PATH=/tmp/bin:$PATH'
  return ['/bin/busybox', 'sh', '-c', `${install}; ${script}`]
}
