/**
 * The demo as a story, one function per chapter: an address appears, the wire learns where it is,
 * its node dies, another one answers. Everything shown is measured from the client's side.
 */
import type { Host } from '../lab/segment.ts';
import { OutageMeter } from '../lab/outage.ts';
import { httpGet, urlOf, whoHas } from '../lab/probe.ts';
import type { Lab } from '../lab/namespace.ts';
import { Cluster } from './cluster.ts';
import type { Narrator } from './narrator.ts';
import { HEADINGS, Services } from './services.ts';
import type { ServiceRow } from './services.ts';

export interface StoryOptions {
  readonly directory: string;
  readonly keep: boolean;
}

export interface Told {
  readonly cluster: Cluster;
  /** The IPv4 address of the Service. */
  readonly address: string;
  /** Who answered for it before the failure. */
  readonly owner: string;
  readonly failoverMs: number;
}

const NAMES = ['myweb-svc-lb', 'myweb-svc-lb6'];
/** Good answers in a row that count as "back". */
const STEADY = 30;

export async function tell(lab: Lab, say: Narrator, options: StoryOptions): Promise<Told> {
  say.step('three nodes, a client and a switch, each in a network namespace');
  const cluster = new Cluster(lab, options);
  showSegment(cluster, say);
  say.step('the application, a backend on every node; one controller; a speaker on every node');
  await Promise.all([cluster.startController(), cluster.startBackends(), cluster.startSpeakers()]);
  say.step('the controller gives the Services addresses from the pools');
  const rows = await addresses(cluster);
  say.table([
    HEADINGS,
    ...rows.map(({ name, type, address, ports, pool }) => [name, type, address, ports, pool]),
  ]);
  const [address = '', address6 = ''] = rows.map((row) => row.address);
  say.step('the client asks the wire who has them');
  const owner = await showOwners(cluster, say, [address, address6]);
  say.step('the client asks for a page; any ready backend may answer');
  await showPages(cluster, say, [address, address6]);
  const failoverMs = await failOver(lab, cluster, say, owner, address);
  say.step('the client asks the wire again');
  await showOwners(cluster, say, [address, address6], owner);
  await showPages(cluster, say, [address, address6]);
  return { cluster, address, owner: owner.name, failoverMs };
}

function showSegment({ segment }: Cluster, say: Narrator): void {
  say.table([
    ['HOST', 'IPV4', 'IPV6', 'MAC'],
    ...[...segment.nodes, segment.client].map(({ name, ip4, ip6, mac }) => [name, ip4, ip6, mac]),
  ]);
}

/** Both Services, as soon as both have an address. */
async function addresses(cluster: Cluster): Promise<ServiceRow[]> {
  const services = new Services(cluster.manifests);
  try {
    const look = (): ServiceRow[] | undefined => services.addressed(NAMES);
    return await cluster.until(look, 20_000, 'both Services have an address');
  } finally {
    services.close();
  }
}

/** Asks by ARP and NDP and says who answered; the owner of the first address. */
async function showOwners(
  cluster: Cluster,
  say: Narrator,
  asked: readonly string[],
  gone?: Host,
): Promise<Host> {
  const owners: Host[] = [];
  for (const address of asked) {
    const { mac, host } = await ownerOf(cluster, address, gone);
    const protocol = address.includes(':') ? 'NDP' : 'ARP';
    say.detail(`${protocol}  ${address} is at ${mac}: ${host.name}`);
    owners.push(host);
  }
  const [first] = owners;
  if (first === undefined) throw new Error('no address to ask for');
  return first;
}

interface Owner {
  readonly mac: string;
  readonly host: Host;
}

function ownerOf(cluster: Cluster, address: string, gone: Host | undefined): Promise<Owner> {
  const look = async (): Promise<Owner | undefined> => {
    const mac = await whoHas(cluster.segment.client, address, 200);
    const host = cluster.segment.nodes.find((node) => node.mac === mac);
    if (mac === undefined || host === undefined || host === gone) return undefined;
    return { mac, host };
  };
  return cluster.until(look, 15_000, `a living node answers for ${address}`);
}

async function showPages(cluster: Cluster, say: Narrator, asked: readonly string[]): Promise<void> {
  for (const address of asked) {
    const url = urlOf(address);
    const page = await cluster.until(
      async () => {
        const answer = await httpGet(cluster.segment.client.namespace, url);
        return answer?.status === 200 ? answer.body.trim() : undefined;
      },
      15_000,
      `${url} answers`,
    );
    say.command(`curl ${url}`, page);
  }
}

async function failOver(
  lab: Lab,
  cluster: Cluster,
  say: Narrator,
  owner: Host,
  address: string,
): Promise<number> {
  const { namespace } = cluster.segment.client;
  const url = urlOf(address);
  const meter = await OutageMeter.start(lab, { namespace, url, directory: cluster.logs });
  say.step(`${owner.name} loses power: cable out, every process on it killed`);
  const at = cluster.powerOff(owner);
  await meter.goodAnswersSince(at, STEADY, 15_000);
  const outage = meter.outage(at);
  await meter.stop();
  if (outage === undefined) throw new Error('no success on both sides of the failure');
  const ms = Math.round(outage.ms);
  say.step(`answers are back; trying every 10 ms, the client saw none for ${ms} ms`);
  return ms;
}
