/**
 * The pod of this program, for what Kubernetes is to remove with it. Its name is in the environment
 * (MetalLB's manifests set METALLB_POD_NAME; a container's HOSTNAME is the pod's, unless it is in
 * the network of its node); its uid is there too, or is read where there is a right to it. Not
 * knowing it costs nothing but tidiness.
 */
import type { Kube } from '../kube.ts';
import type { OwnerReference } from '../objects.ts';

const POD = { apiVersion: 'v1', kind: 'Pod' };

type Environment = Readonly<Record<string, string | undefined>>;

/** `named`: by the user; empty: not. */
export async function ownPod(
  kube: Pick<Kube, 'read'>,
  namespace: string,
  named: string,
  environment: Environment,
): Promise<OwnerReference | undefined> {
  const name = named || environment['HOSTNAME'];
  if (name === undefined || !/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name)) return undefined;
  const uid = environment['METALLB_POD_UID'] || (await uidOf(kube, `${namespace}/${name}`));
  return uid === undefined ? undefined : { ...POD, name, uid };
}

async function uidOf(kube: Pick<Kube, 'read'>, key: string): Promise<string | undefined> {
  const read = await kube.read(POD, key);
  return read.ok ? read.value.metadata.uid : undefined;
}
