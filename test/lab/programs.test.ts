/**
 * Programs that run, and how they end: SIGTERM releases and announces nothing more within a
 * second, SIGKILL leaves nothing that answers, and a manifest nobody can read stops nothing.
 * One controller and three speakers with the manifests of the demo, judged from the client.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Cluster, SPEAKER_PORT } from '../../demo/cluster.ts';
import { Services } from '../../demo/services.ts';
import { Lab } from '../../lab/namespace.ts';
import { httpGet, urlOf, whoHas } from '../../lab/probe.ts';
import type { Host } from '../../lab/segment.ts';
import { monotonic } from '../../lib/io/clock.ts';
import { PROFILES } from '../../speaker/timing.ts';
import { Sniffer } from './sniffer.ts';
import { buildStall, stall } from './stall.ts';

jest.setTimeout(40_000);

const VIP4 = '192.168.100.240';
const VIP6 = 'fd00:100::240';
const VIPS = [VIP4, VIP6];
const SECOND = 1000;

const directory = mkdtempSync(join(tmpdir(), 'arpeggio-programs-'));
let lab: Lab;
let cluster: Cluster;
let services: Services;

beforeAll(async () => {
  lab = new Lab('programs');
  cluster = new Cluster(lab, { directory, keep: false });
  services = new Services(cluster.manifests);
  await Promise.all([cluster.startController(), cluster.startBackends(), cluster.startSpeakers()]);
  await Promise.all(VIPS.map((vip) => ownerOf(vip)));
});

afterAll(() => {
  // First: whatever failed before, no namespace stays.
  lab.close();
  services.close();
  rmSync(directory, { recursive: true, force: true });
});

/** Who answers for the address, asked on the wire; not `gone`. */
function ownerOf(vip: string, gone?: Host): Promise<Host> {
  const look = async (): Promise<Host | undefined> => {
    const mac = await whoHas(cluster.segment.client, vip, 200);
    return cluster.segment.nodes.find((node) => node.mac === mac && node !== gone);
  };
  return cluster.until(look, 8000, `somebody answers for ${vip}`);
}

function speakerOn(host: Host): ReturnType<Cluster['program']> {
  return cluster.program(`speaker-${host.name}`);
}

function tables(host: Host): string {
  return host.namespace.execSync(['nft', 'list', 'tables']).stdout;
}

/** BPF programs on the interface, as the kernel tells. */
function attached(host: Host): string {
  const argv = [process.execPath, join(import.meta.dirname, 'attached.ts'), 'eth0'];
  return host.namespace.execSync(argv).stdout.trim();
}

function write(name: string, lines: readonly string[]): void {
  writeFileSync(join(cluster.manifests, name), `${lines.join('\n')}\n`);
}

function served(vip: string): Promise<string> {
  const look = async (): Promise<string | undefined> =>
    (await httpGet(cluster.segment.client.namespace, urlOf(vip)))?.body;
  return cluster.until(look, 8000, `${vip} serves`);
}

const BROKEN_POOL = [
  'apiVersion: metallb.io/v1beta1',
  'kind: IPAddressPool',
  'metadata:',
  '  name: broken',
  '  namespace: metallb-system',
  'spec:',
  '  addresses:',
  '    - 192.168.100.300-192.168.100.310',
];

const NEW_SERVICE = [
  'apiVersion: v1',
  'kind: Service',
  'metadata:',
  '  name: later',
  '  namespace: default',
  'spec:',
  '  type: LoadBalancer',
  '  ipFamilies: [IPv4]',
  '  ports:',
  '    - port: 80',
  '      targetPort: 8080',
];

const ITS_SLICE = [
  '---',
  'apiVersion: discovery.k8s.io/v1',
  'kind: EndpointSlice',
  'metadata:',
  '  name: later-1',
  '  namespace: default',
  '  labels: {kubernetes.io/service-name: later}',
  'addressType: IPv4',
  'ports: [{port: 8080, protocol: TCP}]',
  'endpoints: [{addresses: [192.168.100.100], nodeName: node1}]',
];

describe('a malformed manifest', () => {
  test('is reported with file, line and field; everything else goes on', async () => {
    write('broken.yaml', BROKEN_POOL);
    const controller = cluster.program('controller');
    const told = (line: string): boolean =>
      line.includes('broken.yaml:8') && line.includes('spec.addresses[0]');
    const line = await controller.line(told, 5000, 'the problem is reported');
    expect(JSON.parse(line)).toMatchObject({ level: expect.stringMatching(/warn|error/) });
    expect(await served(VIP4)).toMatch(/^Hello World! node[123]\n$/);
  });

  test('a new Service gets an address and is announced all the same', async () => {
    write('later.yaml', [...NEW_SERVICE, ...ITS_SLICE]);
    const rows = await cluster.until(() => services.addressed(['later']), 5000, 'an address');
    expect(rows[0]?.address).toBe('192.168.100.241');
    expect(await served('192.168.100.241')).toBe('Hello World! node1\n');
  });

  test('text that is no YAML is reported with its line', async () => {
    write('broken.yaml', ['kind: Service', 'metadata: {name: x', 'spec: ]']);
    const told = (line: string): boolean => /broken\.yaml:[23]\b.*YAML/.test(line);
    await cluster.program('controller').line(told, 5000, 'the problem is reported');
    expect(await served(VIP6)).toMatch(/^Hello World! node[123]\n$/);
  });

  test('once it is right the pool counts', async () => {
    const right = BROKEN_POOL.map((line) =>
      line.replaceAll('.300-', '.50-').replace('.310', '.50'),
    );
    write('broken.yaml', [...right, '  autoAssign: true']);
    const more = NEW_SERVICE.map((line) => line.replace('name: later', 'name: asks'));
    const wish = '  annotations: {metallb.io/address-pool: broken}';
    write('asks.yaml', more.toSpliced(5, 0, wish));
    const rows = await cluster.until(() => services.addressed(['asks']), 5000, 'an address');
    expect(rows[0]).toMatchObject({ address: '192.168.100.50', pool: 'broken' });
  });
});

describe('a speaker whose plane does not answer', () => {
  const readiness = async (host: Host): Promise<{ status?: number; body?: string } | undefined> =>
    httpGet(host.namespace, `http://127.0.0.1:${SPEAKER_PORT}/readyz`);

  test('is not ready while its reflex hangs; another answers', async () => {
    const owner = await ownerOf(VIP4);
    expect(await readiness(owner)).toMatchObject({ status: 200 });
    const release = await stall(buildStall(directory), speakerOn(owner).pid, 'reflex');
    const notReady = async (): Promise<string | undefined> => {
      const answer = await readiness(owner);
      return answer?.status === 503 ? answer.body : undefined;
    };
    const why = await cluster.until(notReady, 5000, 'it is not ready');
    expect(why).toMatch(/the lease of the answers ended \d+ ms ago and is not renewed/);
    await ownerOf(VIP4, owner);
    release();
    const ready = async (): Promise<boolean> => (await readiness(owner))?.status === 200;
    await cluster.until(ready, 8000, 'it is ready again');
  });

  test('puts its program back when another agent takes it off, and says so', async () => {
    const owner = await ownerOf(VIP4);
    const script = join(import.meta.dirname, 'detach.ts');
    expect(owner.namespace.execSync([process.execPath, script, 'eth0']).stderr).toBe('');
    const told = (line: string): boolean => line.includes('"LinkMended"');
    await speakerOn(owner).line(told, 5000, 'it is told');
    expect(attached(owner)).toBe('1');
    const isTrouble = (line: string): boolean => line.includes('"ResponderDisplaced"');
    await speakerOn(owner).line(isTrouble, 5000, 'it is a trouble');
    expect((await ownerOf(VIP4)).name).toBe(owner.name);
  });
});

describe('SIGTERM', () => {
  test('speaker: exits with 0 within a second, then claims nothing; another answers', async () => {
    const sniffer = await Sniffer.start(lab, cluster.segment.client, directory);
    const owner = await ownerOf(VIP4);
    expect(attached(owner)).not.toBe('0');
    const sent = monotonic();
    const asked = Date.now();
    const speaker = speakerOn(owner);
    cluster.forget(speaker.name);
    const exit = await speaker.stop();
    const ended = Date.now();
    expect(exit.code).toBe(0);
    expect(exit.at - sent).toBeLessThan(SECOND);
    for (const vip of VIPS) {
      const heir = await ownerOf(vip, owner);
      const macs = [1, 2, 3].map(() => whoHas(cluster.segment.client, vip));
      expect(new Set(await Promise.all(macs))).toEqual(new Set([heir.mac]));
      expect(await served(vip)).toMatch(/^Hello World! node[123]\n$/);
      const late = sniffer.claims(owner.mac, vip).filter(({ at }) => at > ended);
      expect(late).toEqual([]);
    }
    const claims = sniffer.claims((await ownerOf(VIP4)).mac, VIP4);
    const first = claims.find(({ at }) => at > asked);
    // The goodbye was heard: nobody waited for the silence of `dead`.
    expect((first?.at ?? Infinity) - asked).toBeLessThan(PROFILES.default.dead / 2);
    expect([attached(owner), tables(owner)]).toEqual(['0', '']);
    await cluster.startSpeakers([owner]);
  });

  test('controller: exits with 0 within a second; addresses stay over a restart', async () => {
    const controller = cluster.program('controller');
    cluster.forget('controller');
    const sent = monotonic();
    const exit = await controller.stop();
    expect(exit.code).toBe(0);
    expect(exit.at - sent).toBeLessThan(SECOND);
    expect(await served(VIP4)).toMatch(/^Hello World!/);
    await cluster.startController();
    const names = ['myweb-svc-lb', 'later', 'myweb-svc-lb6'];
    const rows = await cluster.until(() => services.addressed(names), 5000, 'addresses');
    expect(rows.map(({ address }) => address)).toEqual([VIP4, '192.168.100.241', VIP6]);
  });
});

describe('SIGKILL', () => {
  test('of every speaker: nobody answers any more', async () => {
    const { nodes, client } = cluster.segment;
    const speakers = nodes.map(speakerOn);
    for (const { name } of speakers) cluster.forget(name);
    await Promise.all(speakers.map((speaker) => speaker.kill()));
    for (const vip of VIPS) {
      expect(await whoHas(client, vip, 500)).toBeUndefined();
    }
    expect(nodes.map(attached)).toEqual(['0', '0', '0']);
  });

  test('and started again they answer, with the addresses of before', async () => {
    const controller = cluster.program('controller');
    cluster.forget('controller');
    await controller.kill();
    await Promise.all([cluster.startController(), cluster.startSpeakers()]);
    await Promise.all(VIPS.map((vip) => ownerOf(vip)));
    expect(await served(VIP4)).toMatch(/^Hello World! node[123]\n$/);
    expect(services.addressed(['myweb-svc-lb'])?.[0]?.address).toBe(VIP4);
  });
});
