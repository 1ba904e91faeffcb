/**
 * `make demo KEEP=1`: the dead node comes back, everything stays running, and the reader learns how
 * to look at it, how to break it and how to end it.
 */
import type { Lab } from '../lab/namespace.ts';
import { SPEAKER_PORT } from './cluster.ts';
import { remember } from './kept.ts';
import type { Narrator } from './narrator.ts';
import type { Told } from './story.ts';

export async function leaveRunning(
  lab: Lab,
  say: Narrator,
  told: Told,
  directory: string,
): Promise<void> {
  const { cluster, address, owner } = told;
  say.step(`${owner} gets its power back`);
  await cluster.powerOn(cluster.segment.node(owner));
  const client = `ip netns exec ${lab.prefix}-client`;
  remember(directory, lab.release());
  say.step('it goes on running; to look at it:');
  say.detail(`${client} curl http://${address}/`);
  say.detail(`${client} ip neigh`);
  say.detail(`${client} arping -c 3 -I eth0 ${address}        # package iputils-arping`);
  say.detail(`ip netns exec ${lab.prefix}-node1 nft list table inet arpeggio`);
  say.detail(`ip netns exec ${lab.prefix}-node1 curl -s http://127.0.0.1:${SPEAKER_PORT}/metrics`);
  say.detail(`tail -f ${cluster.logs}/speaker-node1.log`);
  say.detail(`ls ${cluster.manifests}        # add, change or remove a Service`);
  say.step('to pull a cable, and to plug it in again:');
  say.detail(`ip -n ${lab.prefix}-switch link set ${owner} down`);
  say.detail(`ip -n ${lab.prefix}-switch link set ${owner} up`);
  say.step('to end it:');
  say.detail('make demo-stop');
}
