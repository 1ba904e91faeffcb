/** What a refused system call means to the person who installs the speaker. */
import { describe, expect, test } from '@jest/globals';
import { explainPlane } from '../../../speaker/planeerror.ts';
import type { PlaneStep } from '../../../speaker/planeerror.ts';

describe('explainPlane', () => {
  const cases: readonly (readonly [PlaneStep, string, string])[] = [
    ['native', 'ENOENT', 'run npm run build:native'],
    ['native', 'ENOEXEC', 'run npm run build:native'],
    ['map', 'EPERM', 'CAP_BPF and CAP_NET_ADMIN, or root'],
    ['map', 'EPERM', 'memlock limit'],
    ['map', 'ENOSYS', 'Linux 5.8 or newer'],
    ['map', 'EINVAL', 'Linux 5.8 or newer'],
    ['mmap', 'EINVAL', 'Linux 5.8 or newer'],
    ['program', 'EPERM', 'CAP_BPF and CAP_NET_ADMIN, or root'],
    ['program', 'EACCES', 'uname -r'],
    ['tcx', 'EINVAL', 'Linux 6.6 or newer'],
    ['tcx', 'ENODEV', 'the network interface is gone'],
    ['clsact', 'ENOENT', 'load the modules sch_ingress and cls_bpf'],
    ['clsact', 'EINVAL', 'tc filter show'],
    ['update', 'E2BIG', 'more than 16384 addresses'],
    ['send', 'ENETDOWN', 'the network interface is down'],
    ['netlink', 'EPERM', 'CAP_NET_ADMIN'],
    ['packet', 'EPERM', 'CAP_NET_RAW, or root'],
    ['filter', 'ENOMEM', 'net.core.optmem_max'],
  ];

  test.each(cases)('%s with %s says: %s', (step, code, advice) => {
    const sentence = explainPlane(step, code);
    expect(sentence).toContain(advice);
    expect(sentence).toContain(`(${code})`);
    expect(sentence).not.toContain('\n');
  });

  test('carries what the kernel said, also where there is no advice', () => {
    expect(explainPlane('clsact', 'EBUSY', 'Exclusivity flag on')).toBe(
      'cannot attach the BPF responder (clsact) (EBUSY: Exclusivity flag on)',
    );
    expect(explainPlane('tcx', 'EBUSY', '')).toBe('cannot attach the BPF responder (tcx) (EBUSY)');
  });
});
