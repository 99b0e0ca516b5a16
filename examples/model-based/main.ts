import { Keeper } from './keeper.ts'
import { walkAll } from './walk.ts'

const count = await walkAll((runtime) => new Keeper(runtime, 'web'))
console.log(`the keeper kept its service on ${count} paths`)
