/** Clients of the API server of the contract, as the programs make theirs. */
import { Api } from '../../kube/io/api.ts';
import type { Credentials } from '../../kube/io/credentials.ts';
import { Direct } from '../../kube/io/direct.ts';
import { ok } from '../../lib/result.ts';
import type { ApiServer } from './apiserver.ts';

export function clientOf(server: ApiServer, clients: Api[] = []): Api {
  const reporter = { component: 'arpeggio-test' };
  const api = new Api(credentialsOf(server), { namespace: 'metallb-system', reporter });
  clients.push(api);
  return api;
}

export function directOf(server: ApiServer): Direct {
  return new Direct(credentialsOf(server));
}

function credentialsOf(server: ApiServer): Credentials {
  return {
    server: server.url,
    namespace: undefined,
    access: async () => {
      const authorization = server.token === undefined ? undefined : `Bearer ${server.token}`;
      return ok({ authorization, tls: { insecure: true } });
    },
    refresh() {},
  };
}
