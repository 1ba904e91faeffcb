/** A client of the API server of the contract, as the programs make theirs. */
import { Api } from '../../kube/io/api.ts';
import type { Credentials } from '../../kube/io/credentials.ts';
import { ok } from '../../lib/result.ts';
import type { ApiServer } from './apiserver.ts';

export function clientOf(server: ApiServer, clients: Api[] = []): Api {
  const credentials: Credentials = {
    server: server.url,
    namespace: undefined,
    access: async () => {
      const authorization = server.token === undefined ? undefined : `Bearer ${server.token}`;
      return ok({ authorization, tls: { insecure: true } });
    },
    refresh() {},
  };
  const reporter = { component: 'arpeggio-test' };
  const api = new Api(credentials, { namespace: 'metallb-system', reporter });
  clients.push(api);
  return api;
}
