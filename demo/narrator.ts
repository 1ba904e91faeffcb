/**
 * How the demo speaks: one line per step with the time since the start, details indented below.
 * Colours only on a terminal, so that a log file stays plain text.
 */
import { monotonic } from '../lib/io/clock.ts';

const BOLD = '1';
const DIM = '2';
const GREEN = '32';

export class Narrator {
  readonly #begin = monotonic();
  readonly #colours = process.stdout.isTTY && process.env['NO_COLOR'] === undefined;

  title(text: string): void {
    this.#print(`${this.#paint(BOLD, text)}\n`);
  }

  /** Printed when the step begins, so that a slow one is seen at work. */
  step(text: string): void {
    const seconds = ((monotonic() - this.#begin) / 1000).toFixed(1).padStart(5);
    this.#print(`${this.#paint(DIM, `${seconds} s`)}  ${text}`);
  }

  detail(text: string): void {
    this.#print(`           ${text}`);
  }

  /** A command a reader could type, and what it says. */
  command(command: string, output: string): void {
    this.detail(`${this.#paint(DIM, '$')} ${command}  ${this.#paint(GREEN, output)}`);
  }

  table(rows: readonly (readonly string[])[]): void {
    const widths = (rows[0] ?? []).map((_, column) =>
      Math.max(...rows.map((row) => (row[column] ?? '').length)),
    );
    rows.forEach((row, i) => {
      const line = row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('   ');
      this.detail(i === 0 ? this.#paint(DIM, line.trimEnd()) : line.trimEnd());
    });
  }

  /** The last line of the demo; nothing comes after it. */
  last(text: string): void {
    this.#print(text);
  }

  #print(text: string): void {
    process.stdout.write(`${text}\n`);
  }

  #paint(code: string, text: string): string {
    return this.#colours ? `\u001b[${code}m${text}\u001b[0m` : text;
  }
}
