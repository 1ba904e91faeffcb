/**
 * The child process of the outage meter: `pulse.ts URL INTERVAL_MS TIMEOUT_MS`. Open loop: a new
 * connection every interval whether or not earlier ones have answered, so an outage cannot slow the
 * clock that measures it. One JSON line for each finished attempt; ends on SIGTERM.
 *
 * Nothing else runs in this process, and its clock is CLOCK_MONOTONIC, which all processes of the
 * machine share: the parent may compare its own instants with these.
 */
import { get } from 'node:http';
import { monotonic } from '../lib/io/clock.ts';
import type { Beat } from './outage.ts';

const [url = '', interval = '10', timeout = '1000'] = process.argv.slice(2);

function attempt(): void {
  const sent = monotonic();
  let told = false;
  const tell = (ok: boolean, text: string): void => {
    if (told) return;
    told = true;
    const beat: Beat = { sent, at: monotonic(), ok, text };
    process.stdout.write(`${JSON.stringify(beat)}\n`);
  };
  const request = get(url, { agent: false, signal: AbortSignal.timeout(Number(timeout)) });
  request.once('error', (error) => tell(false, error.message));
  request.once('response', (response) => {
    let body = '';
    response.setEncoding('utf8').on('data', (text: string) => (body += text));
    response.once('error', (error) => tell(false, error.message));
    response.once('end', () => tell(response.statusCode === 200, body.trim()));
  });
}

// setInterval drifts late and never catches up; this one counts from the start.
const start = monotonic();
let beats = 0;
function next(): void {
  while (monotonic() >= start + beats * Number(interval)) {
    attempt();
    beats += 1;
  }
  setTimeout(next, Math.max(0, start + beats * Number(interval) - monotonic()));
}
next();
