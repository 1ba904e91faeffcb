/**
 * What a refused system call of the data plane means to the person who installs the speaker: one
 * sentence with the step, the kernel's answer, and what to do.
 */

/** What the plane was doing. */
export type PlaneStep =
  | 'native'
  | 'map'
  | 'mmap'
  | 'program'
  | 'tcx'
  | 'clsact'
  | 'update'
  | 'send'
  | 'netlink'
  | 'packet'
  | 'filter';

const DOING: Readonly<Record<PlaneStep, string>> = {
  native: 'cannot load the native addon',
  map: 'cannot create a BPF map',
  mmap: 'cannot map the memory of a BPF map',
  program: 'cannot load the BPF responder',
  tcx: 'cannot attach the BPF responder (tcx)',
  clsact: 'cannot attach the BPF responder (clsact)',
  update: 'cannot change the table of addresses',
  send: 'cannot send a frame',
  netlink: 'cannot open a netlink socket',
  packet: 'cannot open a packet socket',
  filter: 'cannot attach a filter to a packet socket',
};

const RIGHTS = 'the speaker needs CAP_BPF and CAP_NET_ADMIN, or root';
const TOO_OLD = 'this kernel is too old: Linux 5.8 or newer with CONFIG_BPF_SYSCALL is needed';
const MEMLOCK = 'kernels before 5.11 also need a higher memlock limit (ulimit -l unlimited)';
const LINK_GONE =
  'the network interface is gone; nothing to do, it is attached again if it returns';

/** Advice by step and errno; `any` stands for every other errno of the step. */
const ADVICE: Readonly<Record<PlaneStep, Readonly<Record<string, string>>>> = {
  native: {
    ENOENT: 'it is not built: run npm run build:native',
    any: 'it was built for another machine: run npm run build:native',
  },
  map: {
    EPERM: `${RIGHTS}; ${MEMLOCK}`,
    EACCES: `a security policy forbids bpf(2): ${RIGHTS}, and a seccomp profile that allows it`,
    EINVAL: TOO_OLD,
    ENOSYS: TOO_OLD,
    ENOMEM: `not enough memory for 3 MiB of maps: raise the memory limit; ${MEMLOCK}`,
  },
  mmap: { EINVAL: TOO_OLD, ENOMEM: `not enough memory: raise the memory limit; ${MEMLOCK}` },
  program: {
    EPERM: RIGHTS,
    EINVAL: TOO_OLD,
    ENOSYS: TOO_OLD,
    EACCES: 'the verifier of this kernel rejects it: report this with the output of uname -r',
    any: 'report this with the output of uname -r',
  },
  tcx: {
    EPERM: RIGHTS,
    ENODEV: LINK_GONE,
    EINVAL: 'this kernel has no tcx (Linux 6.6 or newer): attach with auto or clsact',
  },
  clsact: {
    EPERM: RIGHTS,
    ENODEV: LINK_GONE,
    ENOENT: 'this kernel lacks clsact or cls_bpf: load the modules sch_ingress and cls_bpf',
    EOPNOTSUPP: 'this kernel lacks clsact or cls_bpf: load the modules sch_ingress and cls_bpf',
    EINVAL: 'another classifier holds ingress priority 1: tc filter show dev <link> ingress',
  },
  update: {
    E2BIG: 'more than 16384 addresses on one node, or more than 64 interfaces',
    EPERM: RIGHTS,
    ENOMEM: 'not enough memory: raise the memory limit',
  },
  send: {
    EPERM: RIGHTS,
    ENODEV: LINK_GONE,
    ENXIO: LINK_GONE,
    EINVAL: LINK_GONE,
    EAGAIN: "the interface's queue is full; the announcement is repeated",
    ENETDOWN: 'the network interface is down; announcements follow when it comes up',
    ENOBUFS: "the interface's queue is full; the announcement is repeated",
  },
  netlink: { EPERM: 'the speaker needs CAP_NET_ADMIN, or root' },
  packet: {
    EPERM: 'the speaker needs CAP_NET_RAW, or root',
    EACCES: 'the speaker needs CAP_NET_RAW, or root',
    EAFNOSUPPORT: 'this kernel has no packet sockets: load the module af_packet',
    ENOMEM: 'not enough memory: raise the memory limit',
    EAGAIN: 'no room for another thread: raise the limit of processes (pids)',
  },
  filter: {
    ENOMEM: 'not enough memory for it: raise net.core.optmem_max',
    any: 'report this with the output of uname -r',
  },
};

/** `code` is an errno's name; `detail` is what the kernel itself said, if it did. */
export function explainPlane(step: PlaneStep, code: string, detail?: string): string {
  const advice = ADVICE[step][code] ?? ADVICE[step]['any'];
  const said = detail === undefined || detail === '' ? code : `${code}: ${detail}`;
  return `${DOING[step]} (${said})${advice === undefined ? '' : `: ${advice}`}`;
}
