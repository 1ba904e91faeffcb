/**
 * Speakers report, and the controller writes who answers: with the shape of the demo and a
 * controller that has a cable. Judged on the wire: the Service says who really answers.
 */
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { ANNOUNCED_BY } from '../../config/claim.ts';
import { ANNOUNCED } from '../../controller/plan.ts';
import { Cluster, SPEAKER_PORT } from '../../demo/cluster.ts';
import { Services } from '../../demo/services.ts';
import type { Condition } from '../../kube/objects.ts';
import { Lab } from '../../lab/namespace.ts';
import { httpGet, whoHas } from '../../lab/probe.ts';
import type { Host } from '../../lab/segment.ts';
import { monotonic } from '../../lib/io/clock.ts';
import type { SpeakerReport } from '../../owners/report.ts';

jest.setTimeout(40_000);

const VIP = '192.168.100.240';
const VIP6 = 'fd00:100::240';
const NAME = 'myweb-svc-lb';

const directory = mkdtempSync(join(tmpdir(), 'arpeggio-report-'));
let lab: Lab;
let cluster: Cluster;
let services: Services;

beforeAll(async () => {
  lab = new Lab('report');
  cluster = new Cluster(lab, { directory, keep: false, reports: true });
  services = new Services(cluster.manifests);
  await Promise.all([cluster.startController(), cluster.startBackends(), cluster.startSpeakers()]);
  await settled();
});

afterAll(() => {
  lab.close();
  services.close();
  rmSync(directory, { recursive: true, force: true });
});

function announcedBy(name = NAME): string | undefined {
  return services.service(name)?.metadata.annotations?.[ANNOUNCED_BY];
}

/** Every speaker hears the two others, and what is written is what the wire says. */
async function settled(): Promise<void> {
  const { nodes, client } = cluster.segment;
  const complete = async ({ namespace }: Host): Promise<boolean> => {
    const answer = await httpGet(namespace, `http://127.0.0.1:${SPEAKER_PORT}/report`);
    const report = JSON.parse(answer?.body ?? '{}') as Partial<SpeakerReport>;
    return report.peers?.alive.length === 2;
  };
  const look = async (): Promise<boolean> => {
    if (!(await Promise.all(nodes.map(complete))).every(Boolean)) return false;
    const owners = [VIP, VIP6].map(async (vip) => {
      const mac = await whoHas(client, vip, 200);
      return nodes.find((node) => node.mac === mac)?.name;
    });
    return (await Promise.all(owners)).join() === `${announcedBy()},${announcedBy(`${NAME}6`)}`;
  };
  await cluster.until(look, 8000, 'everybody hears everybody, and it is written');
}

function condition(): Condition | undefined {
  const { conditions = [] } = services.service(NAME)?.status ?? {};
  return conditions.find(({ type }) => type === ANNOUNCED);
}

/** Who the Service says answers for it; not `gone`. */
function named(gone?: Host): Promise<Host> {
  const look = (): Host | undefined =>
    cluster.segment.nodes.find((node) => node.name === announcedBy() && node !== gone);
  return cluster.until(look, 8000, 'the Service names who answers');
}

/** A number that the controller counts. */
async function counted(metric: string): Promise<number> {
  const { control } = cluster.segment;
  const metrics = (await httpGet(control, 'http://127.0.0.1:7472/metrics'))?.body ?? '';
  return Number(new RegExp(`^${metric} (\\d+)$`, 'm').exec(metrics)?.[1]);
}

/** Statuses that the controller has written. */
const writes = (): Promise<number> => counted('arpeggio_service_statuses_written_total');

/** ServiceL2Status objects of the IPv4 Service, as files: their nodes. */
function l2Statuses(): readonly string[] {
  const folder = join(cluster.manifests, 'status');
  const texts = readdirSync(folder)
    .filter((name) => name.startsWith('own.servicel2status.'))
    .map((name) => join(folder, name.replace('own.', '')))
    .map((file) => (existsSync(file) ? readFileSync(file, 'utf8') : ''));
  return texts
    .filter((text) => /serviceName: myweb-svc-lb$/m.test(text))
    .map((text) => /^  node: (\S+)$/m.exec(text)?.[1] ?? '');
}

describe('a Service', () => {
  test('names the node that answers, with its interface and MAC', async () => {
    const node = await named();
    expect(await whoHas(cluster.segment.client, VIP)).toBe(node.mac);
    expect(condition()).toMatchObject({
      status: 'True',
      reason: 'Announced',
      message: `${node.name} answers for ${VIP} on eth0 (${node.mac})`,
    });
  });

  test('the speaker shows what it reports', async () => {
    const { name, namespace, mac } = await named();
    const answer = await httpGet(namespace, `http://127.0.0.1:${SPEAKER_PORT}/report`);
    const link = { name: 'eth0', mac };
    expect(l2Statuses()).toEqual([name]);
    expect(JSON.parse(answer?.body ?? '')).toMatchObject({
      node: name,
      phase: 'serving',
      plane: 'bpf',
      addresses: expect.arrayContaining([
        { ip: VIP, services: [`default/${NAME}`], interfaces: [link] },
      ]),
    });
  });

  test('after a failover it names the heir within a second, in one write', async () => {
    const owner = await named();
    // Both Services of the demo may move: one write for each.
    const moving = [NAME, `${NAME}6`].filter((name) => announcedBy(name) === owner.name).length;
    const before = await writes();
    const at = cluster.powerOff(owner);
    const heir = await named(owner);
    expect(monotonic() - at).toBeLessThan(1000);
    expect(await whoHas(cluster.segment.client, VIP)).toBe(heir.mac);
    expect(condition()?.status).toBe('True');
    const one = (): boolean => l2Statuses().join() === heir.name;
    await cluster.until(one, 5000, 'ServiceL2Status names the heir alone');
    // Longer than anything that could still be believed late.
    const heard = monotonic();
    await cluster.until(() => monotonic() - heard > 2500, 4000, 'time passes');
    expect([announcedBy(), (await writes()) - before]).toEqual([heir.name, moving]);
    await cluster.powerOn(owner);
    await settled();
  });

  test('a controller that starts anew is told again', async () => {
    const controller = cluster.program('controller');
    cluster.forget('controller');
    await controller.kill();
    const owner = await named();
    await cluster.startController();
    const all = async (): Promise<boolean> => (await counted('arpeggio_speakers_reporting')) === 3;
    await cluster.until(all, 15_000, 'every speaker reports again');
    expect([await named(), await writes()]).toEqual([owner, 0]);
  });
});
