/** systemd removes a container's cgroup, and the kernel's counter with it, before anybody has read it. */
import { describeOom } from '../e2e/oom-cases.ts'

describeOom('crun', 'systemd')
describeOom('runc', 'systemd')
