/**
 * The API client by itself, for the measurement of memory: follows Services and EndpointSlices
 * and keeps what both programs keep of them, with a service account as in a pod.
 * `reflect.ts PORT FOLDER`; says `synced N` once.
 */
import { Api } from '../kube/io/api.ts';
import { podCredentials } from '../kube/io/credentials.ts';
import { ENDPOINT_SLICE, SERVICE } from '../kube/kube.ts';
import { keyOf } from '../kube/objects.ts';
import type { KubeObject } from '../kube/objects.ts';
import { keepHeapSmall } from '../lib/io/heap.ts';

keepHeapSmall();
const [, , port = '', folder = ''] = process.argv;
const place = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: port };
const api = new Api(podCredentials(place, folder), {
  namespace: 'metallb-system',
  reporter: { component: 'reflect' },
});
const kept = new Map<string, KubeObject>();
let synced = 0;
for (const resource of [SERVICE, ENDPOINT_SLICE]) {
  const sink = (event: Parameters<Parameters<typeof api.watch>[1]>[0]): void => {
    if (event.type === 'put') kept.set(`${resource.kind} ${keyOf(event.object)}`, event.object);
    if (event.type === 'delete') kept.delete(`${resource.kind} ${event.key}`);
    if (event.type === 'synced') synced += 1;
    if (event.type === 'synced' && synced === 2) process.stdout.write(`synced ${kept.size}\n`);
  };
  api.watch(resource, sink, new AbortController().signal);
}
