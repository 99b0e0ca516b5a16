import { expect, it } from 'vitest'
import type { ContainerEvent } from 'oci-supervisor'
import { Keeper } from '../../../examples/model-based/keeper.ts'
import { walkAll } from '../../../examples/model-based/walk.ts'

class ForgetfulKeeper extends Keeper {
  protected override mustReplace(event: ContainerEvent): boolean {
    return super.mustReplace(event) && event.type === 'exited' && event.exit.kind === 'code'
  }
}

it('finds nothing wrong with a keeper that replaces whatever has ended', async () => {
  expect(await walkAll((runtime) => new Keeper(runtime, 'web'))).toBeGreaterThan(3)
})

it('finds the way on which a keeper does not replace what ended unseen', async () => {
  const walk = walkAll((runtime) => new ForgetfulKeeper(runtime, 'web'))
  await expect(walk).rejects.toThrow(/monitor\.killed.*: the same container, stopped/)
})
