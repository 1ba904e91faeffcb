/**
 * How soon a speaker follows what happens to the interfaces of its node: milliseconds from the end
 * of the `ip` command to the first announcement, as tcpdump stamps it at the far end of the cable.
 */
import { CHANGES, LinkStage, VIP4 } from '../test/lab/linkstage.ts';
import { median } from './median.ts';

export interface Followed {
  readonly change: string;
  readonly medianMs: number;
  readonly mostMs: number;
}

export async function links(rounds: number, say: (text: string) => void): Promise<Followed[]> {
  const stage = await LinkStage.open('links');
  try {
    const eth1 = await stage.cable();
    await stage.follows(stage.plug(eth1, 'eth1'), eth1, eth1.mac, VIP4);
    const followed: Followed[] = [];
    for (const { name, run } of CHANGES) {
      say(name);
      const took: number[] = [];
      for (let round = 0; round < rounds; round++) {
        stage.change('link set eth1 nomaster');
        await stage.reported(VIP4, ['br0', 'eth0', 'eth1']);
        // The command ends a moment after the change.
        took.push(Math.max(0, await run(stage, eth1)));
      }
      const [medianMs, mostMs] = [Math.round(median(took)), Math.round(Math.max(...took))];
      followed.push({ change: name, medianMs, mostMs });
    }
    return followed;
  } finally {
    stage.close();
  }
}

export function linksTable(followed: readonly Followed[]): string {
  const lines = followed.map(({ change, medianMs, mostMs }) => {
    return `${change.padEnd(44)}${String(medianMs).padStart(8)}${String(mostMs).padStart(8)}\n`;
  });
  const [announced, middle, most] = ['announced after, ms', 'median', 'most'];
  return `${announced.padEnd(44)}${middle.padStart(8)}${most.padStart(8)}\n${lines.join('')}`;
}
