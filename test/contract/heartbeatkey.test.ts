/** The Secret of the speakers: made once, owned by the Deployment, read where that is allowed. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createHeartbeatKey } from '../../controller/io/heartbeatkey.ts';
import type { Direct } from '../../kube/io/direct.ts';
import type { Resource } from '../../kube/kube.ts';
import type { KubeObject } from '../../kube/objects.ts';
import { directOf } from './apiclient.ts';
import { ApiServer } from './apiserver.ts';
import type { Seen } from './apiserver.ts';

const SYSTEM = 'metallb-system';
const SECRET: Resource = { apiVersion: 'v1', kind: 'Secret' };
const metadata = { name: 'controller', namespace: SYSTEM };
const DEPLOYMENT = { apiVersion: 'apps/v1', kind: 'Deployment', metadata } as KubeObject;
/** As MetalLB makes it: sixteen bytes, as text. */
const THEIRS = 'MDEyMzQ1Njc4OWFiY2RlZg';

let api: ApiServer;
let direct: Direct;
let log: string[];

beforeEach(async () => {
  api = await new ApiServer().start();
  log = [];
  direct = directOf(api);
});

afterEach(async () => {
  await direct.close();
  await api.kill();
});

async function create(deployment = 'controller'): Promise<string | undefined> {
  const say = (level: string, event: string): void => {
    log.push(`${level} ${event}`);
  };
  const place = { direct, namespace: SYSTEM, name: 'memberlist', deployment, log: say };
  const key = await createHeartbeatKey(place);
  return key && Buffer.from(key).toString();
}

function secret(): object | undefined {
  return api.get(SECRET, `${SYSTEM}/memberlist`);
}

const isSecrets =
  (wanted: string) =>
  ({ method, path }: Seen): boolean =>
    method === wanted && path.endsWith('/secrets');

test('it is made, and goes with the Deployment', async () => {
  api.put(DEPLOYMENT);
  const key = await create();
  const { uid } = api.get({ apiVersion: 'apps/v1', kind: 'Deployment' }, `${SYSTEM}/controller`)
    ?.metadata ?? { uid: undefined };
  expect(secret()).toMatchObject({
    metadata: {
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'Deployment', name: 'controller', uid }],
    },
    data: { secretkey: Buffer.from(key ?? '').toString('base64') },
  });
  expect(log).toEqual(['info HeartbeatKeyCreated']);
});

test('without a Deployment, or the right to read it, nobody owns it', async () => {
  expect(await create()).toHaveLength(44);
  expect(secret()).not.toHaveProperty('metadata.ownerReferences');
});

test('one that is there stays, and is read as a list of one name', async () => {
  const data = { secretkey: Buffer.from(THEIRS).toString('base64') };
  const named = { name: 'memberlist', namespace: SYSTEM };
  api.put({ ...SECRET, metadata: named, data } as KubeObject);
  expect(await create('')).toBe(THEIRS);
  expect(api.requests.at(-1)?.query.get('fieldSelector')).toBe('metadata.name=memberlist');
  expect(log).toEqual([]);
});

test('where it may not be read the key is not known', async () => {
  const named = { name: 'memberlist', namespace: SYSTEM };
  api.put({ ...SECRET, metadata: named });
  api.fail({ status: 403 }, isSecrets('GET'));
  expect(await create('')).toBe(undefined);
});

test('where it may not be made it is said how a person does it', async () => {
  api.fail({ status: 403 }, isSecrets('POST'));
  expect(await create('')).toBe(undefined);
  expect(log).toEqual(['warn HeartbeatKeyMissing']);
});
