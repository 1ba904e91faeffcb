/**
 * The API server of the tests as a process of its own, for speakers in other namespaces: nodes, a
 * pool, and a Service with an endpoint for each address of a list. Unlike apihost.ts the Services
 * have their addresses already, so it takes no controller, and they can come and go.
 *
 *   crowdhost.ts DIRECTORY HOST NODES CHURN_MS
 *
 * DIRECTORY holds `addresses`, one a line; the kubeconfig is left there. HOST is where it listens
 * beside the loopback; NODES names them with their addresses, `node1=192.0.2.1,node2=...`.
 * Every CHURN_MS (0: never) one Service goes or comes, or an endpoint is no longer ready, or is
 * again; now and then all watches end, are reset, or have expired. Prints `serving`, and what
 * became of the Services once a minute.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { ENDPOINT_SLICE, SERVICE } from '../kube/kube.ts';
import { collectionPath } from '../kube/location.ts';
import type { KubeObject, Service } from '../kube/objects.ts';
import { Authority } from '../lab/kube/certificate.ts';
import { seeded } from '../lib/random.ts';
import { ApiServer } from '../test/contract/apiserver.ts';

const [directory = '', host = '', nodes = '', churnMs = '0'] = process.argv.slice(2);
const PORT = 6443;
const NAMESPACE = 'default';
/** One step of churn in so many does something to the watches instead. */
const WATCHES_EVERY = 40;
/** So many Services may be gone at a time, and of as many the endpoints not ready. */
const MOST_AWAY = 30;

function service(at: number, ip: string): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: `service-${at}`,
      namespace: NAMESPACE,
      uid: `uid-${at}`,
      // No controller runs here; what was announced before is not probed for.
      annotations: { 'arpeggio.dev/announced-by': 'node1' },
      labels: { app: `service-${at}` },
    },
    spec: {
      type: 'LoadBalancer',
      clusterIP: '10.96.0.10',
      clusterIPs: ['10.96.0.10'],
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      externalTrafficPolicy: 'Cluster',
      ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
      selector: { app: `service-${at}` },
    },
    status: { loadBalancer: { ingress: [{ ip }] } },
  };
}

function slice(at: number, ready: boolean): KubeObject {
  const labels = { 'kubernetes.io/service-name': `service-${at}` };
  const endpoint = {
    addresses: ['10.244.1.1'],
    conditions: { ready, serving: ready, terminating: false },
    nodeName: 'elsewhere',
  };
  const metadata = { name: `service-${at}-a`, namespace: NAMESPACE, labels };
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata,
    addressType: 'IPv4',
    endpoints: [endpoint],
    ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
  } as KubeObject;
}

function settings(): KubeObject[] {
  const own = (kind: string, name: string, spec: object): KubeObject => {
    const metadata = { name, namespace: 'metallb-system' };
    return { apiVersion: 'metallb.io/v1beta1', kind, metadata, spec } as KubeObject;
  };
  const members = nodes.split(',').map((each) => {
    const [name = '', address = ''] = each.split('=');
    const status = { addresses: [{ type: 'InternalIP', address }] };
    return { apiVersion: 'v1', kind: 'Node', metadata: { name }, status } as KubeObject;
  });
  return [
    own('IPAddressPool', 'all', { addresses: ['198.18.0.0/15'] }),
    own('L2Advertisement', 'all', {}),
    ...members,
  ];
}

/** The Service with its status at once, as nobody but the server itself can. */
function put(server: ApiServer, at: number, ip: string, ready: boolean): void {
  server.store.write(collectionPath(SERVICE, undefined), service(at, ip));
  server.put(slice(at, ready));
}

/** What comes and goes; the same in every run. */
class Churn {
  readonly #server: ApiServer;
  readonly #ips: readonly string[];
  readonly #random = seeded(20_260);
  readonly #gone = new Set<number>();
  readonly #silent = new Set<number>();
  #steps = 0;

  constructor(server: ApiServer, ips: readonly string[]) {
    this.#server = server;
    this.#ips = ips;
  }

  step(): void {
    this.#steps += 1;
    if (this.#steps % WATCHES_EVERY === 0) return this.#watches();
    return this.#random() < 0.5 ? this.#service() : this.#endpoint();
  }

  told(): string {
    return `${this.#steps} steps, ${this.#gone.size} gone, ${this.#silent.size} not ready`;
  }

  /** Which is gone or silent already when there are many of them. */
  #choose(among: ReadonlySet<number>): number {
    const [oldest] = among;
    if (among.size >= MOST_AWAY && oldest !== undefined) return oldest;
    return Math.floor(this.#random() * this.#ips.length);
  }

  #service(): void {
    const at = this.#choose(this.#gone);
    const key = `${NAMESPACE}/service-${at}`;
    if (this.#gone.delete(at)) {
      put(this.#server, at, this.#ips[at] ?? '', !this.#silent.has(at));
    } else {
      this.#gone.add(at);
      this.#server.remove(SERVICE, key);
      this.#server.remove(ENDPOINT_SLICE, `${key}-a`);
    }
  }

  #endpoint(): void {
    const at = this.#choose(this.#silent);
    if (!this.#silent.delete(at)) this.#silent.add(at);
    if (this.#gone.has(at)) return;
    this.#server.put(slice(at, !this.#silent.has(at)));
  }

  #watches(): void {
    const which = (this.#steps / WATCHES_EVERY) % 3;
    if (which === 0) this.#server.endWatches();
    else if (which === 1) for (const remote of relayed) remote.resetAndDestroy();
    else {
      this.#server.store.compact();
      this.#server.expireWatches();
    }
    // Only for the tests that look at them.
    this.#server.requests.length = 0;
  }
}

const relayed = new Set<Socket>();

/** The server listens on the loopback only. */
function relay(): void {
  const take = (remote: Socket): void => {
    relayed.add(remote);
    const local = connect(server.port, '127.0.0.1');
    remote
      .on('error', () => {})
      .on('close', () => {
        relayed.delete(remote);
        local.destroy();
      });
    local.on('error', () => {}).on('close', () => remote.destroy());
    remote.pipe(local).pipe(remote);
  };
  createServer(take).listen(PORT, host, () => console.log('serving'));
}

const authority = new Authority('bench');
const names = [host, '127.0.0.1'];
const issued = authority.issue({ commonName: 'api', usages: ['server'], names });
const server = new ApiServer({ cert: issued.certificate, key: issued.key });
const ips = readFileSync(join(directory, 'addresses'), 'utf8').trim().split('\n');
for (const [at, ip] of ips.entries()) put(server, at, ip, true);
for (const object of settings()) server.put(object);
await server.start();
relay();
const ca = Buffer.from(authority.certificate).toString('base64');
const cluster = { server: `https://${host}:${PORT}`, 'certificate-authority-data': ca };
const config = {
  clusters: [{ name: 'c', cluster }],
  users: [{ name: 'u', user: { token: 'bench' } }],
  contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
  'current-context': 'x',
};
writeFileSync(join(directory, 'kubeconfig'), JSON.stringify(config));
if (Number(churnMs) > 0) {
  const churn = new Churn(server, ips);
  setInterval(() => churn.step(), Number(churnMs));
  setInterval(() => console.log(churn.told()), 60_000);
}
