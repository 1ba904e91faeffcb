/**
 * The beats of all nodes but the first, as their speakers send them: `beats.ts NODES SECRETFILE`.
 * Each says that it hears all the others, so that everybody confirms the first. It has the
 * addresses of all of them, and hears each beat of the first once for each. Prints `beating`.
 */
import { randomBytes } from 'node:crypto';
import { LabFailure } from '../lab/failure.ts';
import { monotonic } from '../lib/io/clock.ts';
import { readSecret } from '../lib/io/secret.ts';
import { nodeId } from '../speaker/heartbeat.ts';
import type { Ack } from '../speaker/heartbeat.ts';
import { Peers } from '../speaker/io/peers.ts';
import { PROFILES } from '../speaker/timing.ts';

const NODES = Number(process.argv[2]);
const PORT = 7946;
const FIRST = '192.168.100.100';
const { beat: EVERY } = PROFILES.default;

interface Sender {
  readonly id: string;
  readonly boot: string;
  readonly mac: string;
  number: number;
}

const senders = Array.from({ length: NODES - 1 }, (_, i): Sender => ({
  id: nodeId(`node${i + 2}`),
  boot: randomBytes(8).toString('hex'),
  mac: `02:64:00:00:00:${(101 + i).toString(16)}`,
  number: 0,
}));
const first = { id: nodeId('node1'), boot: '', number: 0, heard: 0 };

const secret = readSecret(process.argv[3] ?? '', {});
if (!secret.ok) throw new LabFailure(secret.error);
const peers = await Peers.open(secret.value, PORT, ({ boot, number }) => {
  Object.assign(first, { boot, number, heard: monotonic() });
});
if (!peers.ok) throw new LabFailure(peers.error);

function send(from: Sender): void {
  const others = senders.filter((sender) => sender !== from);
  const acks: Ack[] = others.map(({ id, boot, number }) => ({ id, boot, number, ago: EVERY / 2 }));
  const { id, boot, number, heard } = first;
  if (boot !== '') acks.push({ id, boot, number, ago: monotonic() - heard });
  from.number += 1;
  const said = {
    ready: true,
    leaving: false,
    asks: false,
    impaired: false,
    reaches: false,
    macs: [from.mac],
  };
  if (peers.ok) {
    peers.value.send({ sender: from.id, boot: from.boot, number: from.number, acks, ...said }, [
      FIRST,
    ]);
  }
}

// Spread over the time between two beats, as those of nodes that were started one by one.
for (const [at, sender] of senders.entries()) {
  setTimeout(() => setInterval(() => send(sender), EVERY), (at * EVERY) / senders.length);
}
console.log('beating');
