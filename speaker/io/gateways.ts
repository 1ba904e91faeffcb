/**
 * Runs the gateway check on this host: routes from the kernel every few seconds, echoes through
 * raw-socket. Lives on the main thread; the reflex only hears what comes of it.
 *
 * Routes are asked for, not watched: on a node with a routing daemon they change a thousand times
 * for once that concerns the default one.
 */
import { getSystemErrorName } from 'node:util';
import { drive } from '../../lib/drive.ts';
import type { Driver } from '../../lib/drive.ts';
import { Alarm, monotonic } from '../../lib/io/clock.ts';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import type { Family } from '../../net/ip.ts';
import { GatewayCheck } from '../gateway.ts';
import type { GatewayInput, Reach } from '../gateway.ts';
import { explainPlane } from '../planeerror.ts';
import { askDefaultRoute, parseDefaultRoute } from '../routes.ts';
import type { Gateway } from '../routes.ts';
import { NETLINK_ROUTE } from '../rtnetlink.ts';
import { Echoes } from './icmp.ts';
import { loadNative } from './native.ts';
import type { Native } from './native.ts';

const ROUTES_EVERY_MS = 5000;
const DATAGRAM_BYTES = 32_768;
const FAMILIES: readonly Family[] = [4, 6];

/** `tell` hears every change; goes on until the signal. The error says why nothing is checked. */
export function watchGateways(
  tell: (reach: Reach) => void,
  signal: AbortSignal,
): Result<void, string> {
  const native = loadNative();
  if (!native.ok) return native;
  const fd = native.value.netlink(NETLINK_ROUTE, []);
  if (fd < 0) return err(explainPlane('netlink', getSystemErrorName(fd)));
  const echoes = Echoes.open((from, number) => driver.put({ kind: 'echo', from, number }));
  if (!echoes.ok) {
    native.value.close(fd);
    return echoes;
  }
  const routes = new Routes(native.value, fd);
  const alarm = new Alarm(() => driver.wake());
  const driver: Driver<GatewayInput> = drive(new GatewayCheck(), {
    now: monotonic,
    wakeAt: (at) => alarm.set(at),
    act: (output) => {
      if (output.kind === 'reach') tell(output.reach);
      else echoes.value.ask(output.gateway, output.number);
    },
  });
  const look = (): void => driver.put({ kind: 'gateways', gateways: routes.gateways() });
  const timer = setInterval(look, ROUTES_EVERY_MS);
  look();
  signal.addEventListener('abort', () => {
    clearInterval(timer);
    alarm.set(undefined);
    echoes.value.close();
    native.value.close(fd);
  });
  return ok(undefined);
}

class Routes {
  readonly #native: Native;
  readonly #fd: number;
  readonly #buffer = new Uint8Array(DATAGRAM_BYTES);
  #sequence = 0;

  constructor(native: Native, fd: number) {
    this.#native = native;
    this.#fd = fd;
  }

  /** All default gateways. */
  gateways(): readonly Gateway[] {
    return FAMILIES.flatMap((family) => this.#of(family));
  }

  /** The kernel answers within the send; what it refuses to tell counts as none. */
  #of(family: Family): readonly Gateway[] {
    const sequence = ++this.#sequence;
    if (this.#native.send(this.#fd, askDefaultRoute(sequence, family)) < 0) return [];
    for (;;) {
      const length = this.#native.receive(this.#fd, this.#buffer);
      if (length < 0) return [];
      const found = parseDefaultRoute(this.#buffer.subarray(0, length), sequence);
      if (found !== undefined) return found;
    }
  }
}
