/** Which hierarchies of control groups a machine has, by the lines its kernel prints. */
import { expect, test } from '@jest/globals';
import { hierarchies } from '../../../lab/kube/cgroup.ts';

const ROOT = '23 1 254:0 / / rw,relatime - ext4 /dev/vda rw';
const line = (path: string, kind: string, options: string): string =>
  `32 31 0:29 / ${path} rw,relatime shared:4 - ${kind} ${kind} ${options}`;

test('version 1: one for each mount, with the controllers to mount it again', () => {
  const lines = [
    ROOT,
    line('/sys/fs/cgroup', 'tmpfs', 'rw,mode=755'),
    line('/sys/fs/cgroup/cpu,cpuacct', 'cgroup', 'rw,cpu,cpuacct'),
    line('/sys/fs/cgroup/cpuset', 'cgroup', 'rw,cpuset,clone_children'),
    line('/sys/fs/cgroup/systemd', 'cgroup', 'rw,xattr,name=systemd'),
    line('/sys/fs/cgroup/unified', 'cgroup2', 'rw'),
  ];
  expect(hierarchies(lines.join('\n'))).toEqual([
    { path: '/sys/fs/cgroup/cpu,cpuacct', version: 1, controllers: 'cpu,cpuacct' },
    { path: '/sys/fs/cgroup/cpuset', version: 1, controllers: 'cpuset' },
    { path: '/sys/fs/cgroup/systemd', version: 1, controllers: 'name=systemd' },
  ]);
});

test('version 2: one for all', () => {
  const lines = [ROOT, line('/sys/fs/cgroup', 'cgroup2', 'rw,nsdelegate')];
  expect(hierarchies(lines.join('\n'))).toEqual([
    { path: '/sys/fs/cgroup', version: 2, controllers: '' },
  ]);
});

test('mounts elsewhere are of somebody else', () => {
  expect(hierarchies(line('/var/lib/box/cgroup', 'cgroup', 'rw,cpu'))).toEqual([]);
});
