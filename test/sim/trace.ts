/**
 * One number for a whole run: every output of every node with its time, in order. The same seed
 * gives the same number, or the run depends on something that is not in its seed.
 */
import type { Instant } from '../../lib/time.ts';
import type { ReflexOutput } from '../../speaker/reflexport.ts';

export class Trace {
  #a = 0x811c9dc5;
  #b = 0x9e3779b9;
  outputs = 0;

  add(node: string, output: ReflexOutput, now: Instant): void {
    this.outputs += 1;
    this.#number(Math.round(now * 1000));
    this.#text(node);
    this.#text(output.kind);
    switch (output.kind) {
      case 'beat':
        this.#number(output.beat.number);
        this.#number(output.to.length);
        this.#number((output.beat.ready ? 1 : 0) + (output.beat.asks ? 2 : 0));
        break;
      case 'renew':
        this.#number(Math.round(output.until * 1000));
        break;
      case 'apply':
        for (const [ip, { role }] of output.delta.put) this.#text(`${ip} ${role}`);
        for (const ip of output.delta.remove) this.#text(ip);
        break;
      case 'send':
        for (const byte of output.frame) this.#word(byte);
        break;
      case 'state':
        this.#text(`${output.state.phase} ${output.state.cause}`);
        this.#number(output.state.held.length);
        break;
      case 'attach':
      case 'detach':
      case 'groups':
      case 'resolve':
      case 'stopped':
        break;
    }
  }

  get hash(): string {
    return [this.#a, this.#b].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  }

  #text(text: string): void {
    for (let i = 0; i < text.length; i++) this.#word(text.charCodeAt(i));
  }

  #number(value: number): void {
    this.#word(value >>> 0);
    this.#word(Math.floor(value / 2 ** 32) >>> 0);
  }

  /** FNV-1a twice, the second time turned. */
  #word(word: number): void {
    this.#a = Math.imul(this.#a ^ word, 0x01000193);
    this.#b = Math.imul(this.#b ^ ((word << 7) | (this.#a >>> 25)), 0x85ebca6b);
  }
}
