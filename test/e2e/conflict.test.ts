/**
 * A host outside the cluster has addresses of the pool: one that was there before, for which the
 * Service gets another; one that a Service asks for all the same; and one taken while a node
 * answers for it. And an agent on a node that takes our program off its interface.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { urlOf, whoHas } from '../../lab/probe.ts';
import { Namespace } from '../../lab/namespace.ts';
import { Client } from './client.ts';
import { Installation, ROOT, SYSTEM, condition } from './installation.ts';
import { MYWEB, POOLS, VIP4, service } from './objects.ts';
import { Pods } from './pods.ts';

jest.setTimeout(60_000);

const MAC = '02:00:5e:00:53:01';
const NEXT = '192.168.100.241';
const ASKED = '192.168.100.245';
const NAME = 'myweb-svc-lb';

let cluster: Installation;
let client: Client;
let printer: Namespace;

beforeAll(async () => {
  cluster = await Installation.up('conflict');
  client = new Client(cluster);
  printer = strangerAt(cluster);
  printer.ip(`addr add ${VIP4}/24 dev eth0`, `addr add ${ASKED}/24 dev eth0`, 'link set eth0 up');
  const ports = { web8080: 8080 };
  await Promise.all([
    cluster.startController().then(() => cluster.startSpeakers()),
    new Pods(cluster.kube).start({ app: 'myweb', node: 1, ports }),
    cluster.apply(...POOLS),
  ]);
});

afterAll(() => cluster.close());

/** A host at the switch that the cluster knows nothing of. */
function strangerAt({ kube: { lab } }: Installation): Namespace {
  const made = lab.namespace('printer');
  new Namespace(`${lab.prefix}-switch`).ip(
    `link add printer type veth peer name eth0 address ${MAC} netns ${made.name}`,
    'link set printer master br0 up',
  );
  return made;
}

interface Said {
  readonly status?: string;
  readonly reason?: string;
  readonly message?: string;
}

async function said(name: string, type: string): Promise<Said> {
  const found = condition(await cluster.service(name), `arpeggio.dev/${type}`);
  return found ?? {};
}

function toSay(name: string, type: string, reason: string): Promise<Said> {
  return cluster.until(`${name} to say ${reason}`, async () => {
    const now = await said(name, type);
    return now.reason === reason && now;
  });
}

async function events(name: string, reason: string): Promise<readonly string[]> {
  const selector = `involvedObject.name=${name},reason=${reason}`;
  const path = `/api/v1/namespaces/default/events?fieldSelector=${encodeURIComponent(selector)}`;
  const { items } = (await cluster.kube.api.call('GET', path)) as {
    readonly items: readonly { readonly type: string; readonly message: string }[];
  };
  return items.map(({ type, message }) => `${type}: ${message}`);
}

describe('an address that another host has had all along', () => {
  test('the Service ends with the next one, which answers', async () => {
    await cluster.apply(MYWEB);
    await cluster.until('the Service to have the next address', async () => {
      return (await cluster.addresses(NAME)).join() === NEXT;
    });
    const owner = await client.owned(NEXT);
    expect(await client.pages(urlOf(NEXT), 1)).toEqual(['Hello World! myweb-1']);
    const named = await toSay(NAME, 'Announced', 'Announced');
    expect(named.message).toContain(`${owner} answers for ${NEXT}`);
  });

  test('condition and event name the host, once', async () => {
    const { status, message } = await toSay(NAME, 'AddressConflict', 'AddressGivenUp');
    expect(status).toBe('False');
    expect(message).toMatch(
      new RegExp(`^${MAC} on eth0 of node[123] claims ${VIP4.replaceAll('.', '\\.')} and is no`),
    );
    const told = await cluster.until('the event', async () => {
      const found = await events(NAME, 'AddressConflict');
      return found.length > 0 && found;
    });
    expect(told).toEqual([`Warning: ${message}`]);
  });

  test('the host keeps it: nobody else answers', async () => {
    expect(await whoHas(cluster.client, VIP4, 500)).toBe(MAC);
    expect(await client.voices(VIP4, 2)).toEqual([MAC, MAC].map((mac) => mac.toUpperCase()));
  });

  test('its claim is given back, and nobody gets it', async () => {
    const path = '/apis/arpeggio.dev/v1alpha1/namespaces/metallb-system/addressclaims';
    await cluster.until('the claim to be gone', async () => {
      const { items } = (await cluster.kube.api.call('GET', path)) as {
        readonly items: readonly { readonly metadata: { readonly name: string } }[];
      };
      return items.map(({ metadata }) => metadata.name).join() === NEXT;
    });
    await cluster.apply(service('second', 'myweb'));
    expect(await cluster.addressed('second')).toEqual(['192.168.100.242']);
    await cluster.apply(service('asks', 'myweb', { loadBalancerIP: VIP4 }));
    const { message } = await toSay('asks', 'Allocated', 'AddressQuarantined');
    expect(message).toContain(MAC);
  });
});

describe('an address that is asked for', () => {
  test('is given, and both conditions say why nobody answers', async () => {
    await cluster.apply(service('fixed', 'myweb', { loadBalancerIP: ASKED }));
    expect(await cluster.addressed('fixed')).toEqual([ASKED]);
    const { status, message } = await toSay('fixed', 'AddressConflict', 'AddressWithheld');
    expect([status, message]).toEqual(['True', expect.stringContaining(MAC)]);
    await toSay('fixed', 'Announced', 'AddressConflict');
    expect(await cluster.addresses('fixed')).toEqual([ASKED]);
    expect(await client.voices(ASKED, 2)).toEqual([MAC, MAC].map((mac) => mac.toUpperCase()));
  });

  test('is announced soon after the host has left it', async () => {
    printer.ip(`addr del ${ASKED}/24 dev eth0`);
    await cluster.until('a node to answer', () => client.ownerOf(ASKED), 25_000);
    expect((await toSay('fixed', 'Announced', 'Announced')).status).toBe('True');
    await toSay('fixed', 'AddressConflict', 'ConflictOver');
  });
});

test('an address that is announced is kept and defended, and the host is named', async () => {
  printer.ip(`addr add ${NEXT}/24 dev eth0`);
  const argv = ['arping', '-U', '-c2', '-w3', '-I', 'eth0', '-s', NEXT, NEXT];
  await printer.exec(argv);
  const { message } = await toSay(NAME, 'AddressConflict', 'AddressDefended');
  expect(message).toContain(`${MAC} on eth0 of node`);
  expect(message).toContain(`claims ${NEXT} and is no node of the cluster; it is defended`);
  expect(await cluster.addresses(NAME)).toEqual([NEXT]);
  expect((await said(NAME, 'Announced')).status).toBe('True');
  const told = await cluster.until('the event', async () => {
    const found = await events(NAME, 'AddressConflict');
    return found.length > 1 && found;
  });
  expect(told).toHaveLength(2);
  expect(told).toContainEqual(expect.stringContaining(`claims ${NEXT} and is no node`));
});

test('a node whose program is taken off its interface says so, and goes on answering', async () => {
  await cluster.apply(service('calm', 'myweb'));
  await toSay('calm', 'Announced', 'Announced');
  const [ip = ''] = await cluster.addresses('calm');
  const owner = await client.owned(ip);
  const { namespace } = cluster.kube.segment.node(owner);
  const script = join(ROOT, 'test/lab/detach.ts');
  expect(namespace.execSync([process.execPath, script, 'eth0']).stderr).toBe('');
  const kind = '/apis/metallb.io/v1beta1/namespaces';
  const path = `${kind}/${SYSTEM}/configurationstates/speaker-${owner}`;
  const state = await cluster.until('the condition DataPlane', async () => {
    const now = await cluster.get(path);
    return condition(now, 'arpeggio.dev/DataPlane') !== undefined && now;
  });
  expect(condition(state, 'arpeggio.dev/DataPlane')).toMatchObject({
    status: 'False',
    reason: 'ResponderDisplaced',
    message: expect.stringContaining('somebody took the responder off eth0'),
  });
  expect(state.status?.['result']).toBe('Valid');
  expect(await client.owned(ip)).toBe(owner);
});
