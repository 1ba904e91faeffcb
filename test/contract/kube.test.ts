/** Holds every implementation of the port `Kube` to its contract. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { validate } from '../../config/schema.ts';
import { openFiles } from '../../kube/io/files.ts';
import type { Files } from '../../kube/io/files.ts';
import { keyOf } from '../../kube/objects.ts';
import { writeYaml } from '../../kube/yaml.ts';
import type { Api } from '../../kube/io/api.ts';
import { ApiServer } from './apiserver.ts';
import { clientOf } from './apiclient.ts';
import { kubeContract } from './kube.ts';

function open(directory: string, collect: boolean): Files {
  const opened = openFiles(directory, { validate, collect });
  if (!opened.ok) throw new Error(opened.error);
  return opened.value;
}

kubeContract('a directory of manifests', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'arpeggio-kube-'));
  const clients = [open(directory, true)];
  const fileOf = (kind: string, key: string): string =>
    join(directory, `${kind}.${key.replace('/', '.')}.yaml`);
  return {
    kube: clients[0] as Files,
    put: async (object) => writeFileSync(fileOf(object.kind, keyOf(object)), writeYaml(object)),
    remove: async ({ kind }, key) => rmSync(fileOf(kind, key)),
    second: async () => {
      const client = open(directory, false);
      clients.push(client);
      return client;
    },
    close: async () => {
      for (const client of clients) client.close();
      rmSync(directory, { recursive: true });
    },
  };
});

kubeContract('an API server', async () => {
  const server = await new ApiServer().start();
  const clients: Api[] = [];
  return {
    kube: clientOf(server, clients),
    put: async (object) => server.put(object),
    remove: async (resource, key) => server.remove(resource, key),
    second: async () => clientOf(server, clients),
    close: async () => {
      for (const each of clients) await each.close();
      await server.kill();
    },
  };
});
