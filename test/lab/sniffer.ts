/**
 * What really passed on the wire: ARP and ICMPv6 frames as tcpdump prints them, with the wall clock
 * of the capturing kernel. Answers and announcements are judged by sender and address.
 */
import type { Lab } from '../../lab/namespace.ts';
import { Program } from '../../lab/process.ts';
import type { Host } from '../../lab/segment.ts';

export interface Frame {
  /** Unix time in milliseconds. */
  readonly at: number;
  readonly from: string;
  readonly text: string;
}

export class Sniffer {
  readonly #program: Program;

  private constructor(program: Program) {
    this.#program = program;
  }

  static async start(lab: Lab, host: Host, directory: string): Promise<Sniffer> {
    const flags = ['-i', 'eth0', '-l', '-nn', '-e', '-tt', '-v', '--immediate-mode', '-Z', 'root'];
    const program = Program.start(lab, {
      name: `tcpdump-${host.name}`,
      argv: ['tcpdump', ...flags, 'arp or icmp6'],
      namespace: host.namespace,
      directory,
    });
    const listening = (): boolean => program.errors().includes('listening on');
    await program.until(listening, 5000, 'it captures');
    return new Sniffer(program);
  }

  /** Frames so far; details on continuation lines belong to their frame. */
  frames(): Frame[] {
    const joined = this.#program.log().replaceAll(/\n\s+/g, ' ');
    return joined
      .split('\n')
      .slice(0, -1)
      .map((text) => {
        const [stamp = '0', from = ''] = text.split(' ');
        return { at: Number(stamp) * 1000, from, text };
      });
  }

  /** Frames in which this MAC says that it has this address. */
  claims(mac: string, ip: string): Frame[] {
    return this.frames().filter(
      ({ from, text }) =>
        from === mac &&
        (text.includes(`Reply ${ip} is-at ${mac}`) ||
          text.includes(`tell ${ip},`) ||
          text.includes(`tgt is ${ip},`)),
    );
  }
}
