/**
 * What a burst takes at least: for each Service of a prefix one claim and one status, as the
 * controller writes them, by its client and with its parallelism, and nothing decided:
 * `burstwriter.ts KUBECONFIG PREFIX FIRST-TWO-BYTES COUNT`. Prints `took` and milliseconds.
 */
import { claimFor, holderOf, withHolders } from '../controller/addressclaim.ts';
import { plan } from '../controller/plan.ts';
import { Api } from '../kube/io/api.ts';
import { kubeconfigCredentials } from '../kube/io/kubeconfig.ts';
import { SERVICE } from '../kube/kube.ts';
import type { KubeObject, Service } from '../kube/objects.ts';
import type { Result } from '../lib/result.ts';
import { parseIp } from '../net/ip.ts';
import type { Ip } from '../net/ip.ts';

const [config = '', prefix = '', bytes = '', count = ''] = process.argv.slice(2);
const SYSTEM = 'metallb-system';
/** As in controller/writer.ts. */
const AT_ONCE = 64;

function must<T>(result: Result<T, unknown>): T {
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

const credentials = must(kubeconfigCredentials(config));
const api = new Api(credentials, { namespace: SYSTEM, reporter: { component: 'bench' } });

async function services(): Promise<Service[]> {
  const found: Service[] = [];
  const watching = new AbortController();
  await new Promise<void>((done) => {
    api.watch(
      SERVICE,
      (event) => {
        if (event.type === 'put' && event.object.metadata.name.startsWith(`${prefix}-`)) {
          found.push(event.object as Service);
        } else if (event.type === 'synced') done();
      },
      watching.signal,
    );
  });
  // What is written is news, too.
  watching.abort();
  return found;
}

async function write(service: Service, ip: Ip): Promise<void> {
  const claim = withHolders(claimFor(ip, SYSTEM), [holderOf(service.metadata)]);
  must<KubeObject>(await api.create(claim));
  const decision = { kind: 'allocated', addresses: [ip], pool: prefix } as const;
  const wall = `${new Date().toISOString().slice(0, 19)}Z`;
  const made = plan({ service, decision, problems: [], deprecated: [] }, wall);
  if (made === undefined) throw new Error('nothing to write');
  must<KubeObject>(await api.updateStatus(made.update));
}

const waiting = await services();
if (waiting.length !== Number(count)) throw new Error(`${waiting.length} Services`);
const since = performance.now();
let next = 0;
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    for (let index = next; index < waiting.length; index = next) {
      next += 1;
      const service = waiting[index];
      if (service === undefined) return;
      await write(service, must(parseIp(`${bytes}.${index >> 8}.${index & 255}`)));
    }
  }),
);
process.stdout.write(`took ${performance.now() - since}\n`);
process.exit();
