/**
 * Only the images are swapped: under the manifests of three MetalLBs, with the rights, flags and
 * environment of each and nothing of ours, a pending Service gets its address, probes answer, the
 * Secret of the speakers is there, webhooks judge, and what is forbidden is borne in silence.
 */
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Program } from '../../lab/process.ts';
import { httpGet } from '../../lab/probe.ts';
import { CONFIGMAP, KUBESPRAY, MANIFEST, NODE, RANGE } from './generation.ts';
import { SYSTEM, servicePath } from './installation.ts';
import { MYWEB, VIP4 } from './objects.ts';
import { Swap } from './swap.ts';

jest.setTimeout(60_000);

const CONTROL = '192.168.100.10';
const POOL = pool('loadbalanced', RANGE);

function object(kind: string, name: string, spec: object, namespace = SYSTEM): object {
  return { apiVersion: 'metallb.io/v1beta1', kind, metadata: { name, namespace }, spec };
}

function pool(name: string, range: string, namespace = SYSTEM): object {
  return object('IPAddressPool', name, { addresses: [range] }, namespace);
}

/** Somewhere to send the packets, so that there is something to announce. */
const SLICE = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: {
    name: 'myweb-1',
    namespace: 'default',
    labels: { 'kubernetes.io/service-name': 'myweb-svc-lb' },
  },
  addressType: 'IPv4',
  ports: [{ port: 8080 }],
  endpoints: [{ addresses: [NODE.ip], nodeName: NODE.name, conditions: { ready: true } }],
};

interface Configuration {
  readonly webhooks: readonly { readonly clientConfig: { readonly caBundle?: string } }[];
}

interface Definition {
  readonly conversion: { readonly webhook: Configuration['webhooks'][number] };
}

const GENERATIONS = [
  ['0.10, by ConfigMap', 'swapmap', CONFIGMAP],
  ['0.13.9 of kubespray', 'swapspray', KUBESPRAY],
  ['0.16.1', 'swapnew', MANIFEST],
] as const;

describe.each(GENERATIONS)('under the manifests of %s', (_, purpose, generation) => {
  let swap: Swap;
  let controller: Program;
  const { webhooks } = generation;

  beforeAll(async () => {
    swap = await Swap.up(purpose, generation);
    await swap.apply(MYWEB, SLICE);
    controller = await swap.startController();
  });

  afterAll(async () => {
    await swap.close();
  });

  const status = async (url: string): Promise<number | undefined> =>
    (await httpGet(swap.kube.segment.client.namespace, url))?.status;

  test('the probes of the controller answer', async () => {
    const path = generation.probe === 'metrics' ? '7472/metrics' : '17472/healthz';
    const look = async (): Promise<boolean> => (await status(`http://${CONTROL}:${path}`)) === 200;
    expect(await swap.until('a probe', look)).toBe(true);
    if (generation.probe === 'metrics') return;
    await swap.until('ready', async () => (await status(`http://${CONTROL}:17472/readyz`)) === 200);
  });

  test('the Secret memberlist is made, and is the Deployment’s', async () => {
    const path = `/api/v1/namespaces/${SYSTEM}/secrets/memberlist`;
    const secret = await swap.until('the Secret', async () => {
      const { status: code, text } = await swap.kube.api.ask('GET', path);
      return code === 200 && (JSON.parse(text) as object);
    });
    const deployment = await swap.get(`/apis/apps/v1/namespaces/${SYSTEM}/deployments/controller`);
    const { uid } = deployment.metadata as unknown as { uid: string };
    expect(secret).toMatchObject({
      metadata: { ownerReferences: [{ kind: 'Deployment', name: 'controller', uid }] },
      data: { secretkey: expect.stringMatching(/^[A-Za-z0-9+/=]{24,}$/) },
    });
  });

  if (webhooks !== undefined) {
    const bundles = async (): Promise<readonly (string | undefined)[]> => {
      const hooks = 'validatingwebhookconfigurations/metallb-webhook-configuration';
      const path = `/apis/admissionregistration.k8s.io/v1/${hooks}`;
      const { webhooks: all } = (await swap.get(path)) as unknown as Configuration;
      const definitions = webhooks.converted.map(async (plural) => {
        const crd = `customresourcedefinitions/${plural}.metallb.io`;
        const { spec } = await swap.get(`/apis/apiextensions.k8s.io/v1/${crd}`);
        const { conversion } = spec as unknown as Definition;
        return conversion.webhook.clientConfig.caBundle;
      });
      return [
        ...all.map(({ clientConfig }) => clientConfig.caBundle),
        ...(await Promise.all(definitions)),
      ];
    };
    const authority = async (): Promise<string | undefined> => {
      const path = `/api/v1/namespaces/${SYSTEM}/secrets/${webhooks.secret}`;
      const { data } = (await swap.get(path)) as { data?: Readonly<Record<string, string>> };
      return data?.['ca.crt'];
    };
    const areRight = async (): Promise<boolean> => {
      const ca = await authority();
      return ca !== undefined && (await bundles()).every((bundle) => bundle === ca);
    };

    test('the certificate is in its Secret, its authority with the API server', async () => {
      await swap.until('bundles', areRight);
      const secret = await swap.get(`/api/v1/namespaces/${SYSTEM}/secrets/${webhooks.secret}`);
      const { data } = secret as unknown as { data: Record<string, string> };
      expect(Object.keys(data).toSorted()).toEqual(['ca.crt', 'ca.key', 'tls.crt', 'tls.key']);
    });

    test('manifests are applied again: the bundles are put back within a second', async () => {
      const items = generation.objects.filter((each) =>
        /ValidatingWebhook|CustomResource/.test((each as { kind: string }).kind),
      );
      const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
      await swap.kube.kubectl(['replace', '-f', '-'], { input });
      expect(await swap.until('bundles again', areRight, 3000)).toBe(true);
    });

    test('what is good is taken', async () => {
      expect(await swap.tryApply(POOL, object('L2Advertisement', 'all', {}))).toBe(undefined);
    });

    test.each([
      [
        'an overlap',
        pool('second', '192.168.100.249-192.168.100.250'),
        /overlaps with already defined CIDR/,
      ],
      [
        'a range that goes back',
        pool('range', '192.168.100.9-192.168.100.1'),
        /denied the request: spec\.addresses\[0\]/,
      ],
      [
        'another namespace',
        pool('elsewhere', '192.168.101.0/24', 'default'),
        /resource must be created in metallb-system namespace/,
      ],
      [
        'a community of three parts',
        object('Community', 'c', { communities: [{ name: 'a', value: '1:2:3' }] }),
        /invalid community value: invalid section|expected community to be of format large/,
      ],
    ])('%s is refused', async (_name, bad, message) => {
      expect(await swap.tryApply(bad)).toMatch(message);
    });

    test('a profile in use stays', async () => {
      const spec = { myASN: 64_512, peerASN: 64_513, peerAddress: '192.0.2.1', bfdProfile: 'fast' };
      const peer = { ...object('BGPPeer', 'peer', spec), apiVersion: 'metallb.io/v1beta2' };
      await swap.apply(object('BFDProfile', 'fast', {}), peer);
      const gone = ['-n', SYSTEM, 'delete', 'bfdprofile', 'fast'];
      const look = async (): Promise<boolean> => {
        const done = await swap.kube.tryKubectl([...gone, '--dry-run=server']);
        return done.stderr.includes('failed to delete BFDProfile');
      };
      expect(await swap.until('it is seen to be in use', look)).toBe(true);
    });

    test('an older version is converted', async () => {
      const all = `/apis/metallb.io/v1beta1/namespaces/${SYSTEM}/bgppeers`;
      expect(await swap.get(`${all}/peer`)).toMatchObject({
        apiVersion: 'metallb.io/v1beta1',
        spec: { peerAddress: '192.0.2.1' },
      });
    });
  }

  test('the pending Service has its address, annotation and event', async () => {
    const path = servicePath('myweb-svc-lb');
    const service = await swap.until('an address', async () => {
      const found = await swap.get(path);
      return JSON.stringify(found.status).includes(VIP4) && found;
    });
    expect(service).toMatchObject({
      metadata: { annotations: { 'metallb.io/ip-allocated-from-pool': 'loadbalanced' } },
      status: {
        loadBalancer: { ingress: [{ ip: VIP4 }] },
        conditions: [{ type: 'arpeggio.dev/Allocated', status: 'True' }],
      },
    });
    const events = '/api/v1/namespaces/default/events?fieldSelector=reason%3DIPAllocated';
    await swap.until('an event', async () => {
      const { items } = (await swap.get(events)) as unknown as { items: readonly object[] };
      return items.length === 1;
    });
  });

  if (generation.probe === 'health') {
    test('metrics are for those who may read them, by HTTPS', async () => {
      const scraper = { apiVersion: 'v1', kind: 'ServiceAccount' };
      const name = 'scraper';
      await swap.apply(
        { ...scraper, metadata: { name, namespace: SYSTEM } },
        {
          apiVersion: 'rbac.authorization.k8s.io/v1',
          kind: 'ClusterRole',
          metadata: { name },
          rules: [{ nonResourceURLs: ['/metrics'], verbs: ['get'] }],
        },
        {
          apiVersion: 'rbac.authorization.k8s.io/v1',
          kind: 'ClusterRoleBinding',
          metadata: { name },
          subjects: [{ kind: 'ServiceAccount', name, namespace: SYSTEM }],
          roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
        },
      );
      const ask = async (token?: string): Promise<string> => {
        const header = token === undefined ? [] : ['-H', `Authorization: Bearer ${token}`];
        const argv = ['curl', '-sk', '-w', '%{http_code}', '-o', '/dev/null', ...header];
        const { client } = swap.kube.segment;
        const url = `https://${CONTROL}:9120/metrics`;
        return (await client.namespace.exec([...argv, url])).stdout;
      };
      const may = await swap.kube.token(SYSTEM, name);
      await swap.until('the right is known', async () => (await ask(may)) === '200');
      expect(await ask()).toBe('401');
      expect(await ask('nonsense')).toBe('401');
      expect(await ask(await swap.kube.token(SYSTEM, 'speaker'))).toBe('403');
    });
  }

  test('the speaker starts with its own manifests, answers its probe and announces', async () => {
    const speaker = await swap.startSpeaker();
    const { client } = swap.kube.segment;
    const url =
      generation.probe === 'metrics'
        ? `http://${NODE.ip}:7472/metrics`
        : 'http://127.0.0.1:17472/healthz';
    const probe = async (): Promise<boolean> =>
      (await httpGet(client.namespace, url))?.status === 200;
    await swap.until('a probe of the speaker', probe);
    const events = '/api/v1/namespaces/default/events?fieldSelector=reason%3DnodeAssigned';
    await swap.until('the Service to be announced', async () => {
      const { items } = (await swap.get(events)) as unknown as { items: readonly object[] };
      return items.length === 1;
    });
    await swap.until('the Service to say so', async () => {
      const { metadata } = await swap.get(servicePath('myweb-svc-lb'));
      return metadata.annotations?.['arpeggio.dev/announced-by']?.includes(NODE.name);
    });
    expect(repeated(speaker)).toEqual([]);
  });

  test('nothing was said twice, and nothing is asked for again and again', async () => {
    expect(repeated(controller)).toEqual([]);
    let before = await swap.forbidden();
    expect(before).toBeGreaterThan(0);
    let began = performance.now();
    // What is refused is asked for ever less often: fewer than ten times in three seconds is rare.
    await swap.until('refusals to become rare', async () => {
      if (performance.now() < began + 3000) return false;
      const now = await swap.forbidden();
      const isRare = now - before < 10;
      [before, began] = [now, performance.now()];
      return isRare;
    });
  });
});

function repeated(program: Program): readonly string[] {
  const lines = program.log().split('\n').filter(Boolean);
  const said = lines.map((line) => {
    const { level, event, msg } = JSON.parse(line) as Record<string, string>;
    return `${level} ${event} ${msg}`;
  });
  return said.filter((line, index) => said.indexOf(line) < index);
}
