import { describeOom } from './oom-cases.ts'

describeOom('crun', 'cgroupfs')
describeOom('runc', 'cgroupfs')
