/** Echo questions over a package that fails, and answers that nobody asked for. */
import { expect, test } from '@jest/globals';
import { formatIp, parseIp } from '../../../net/ip.ts';
import type { Ip } from '../../../net/ip.ts';
import { Echoes } from '../../../speaker/io/icmp.ts';
import type { RawSocket, RawSocketPackage } from '../../../speaker/io/icmp.ts';

function ip(text: string): Ip {
  const parsed = parseIp(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

class FakeSocket implements RawSocket {
  readonly sent: Buffer[] = [];
  readonly hearers = new Map<string, (packet: Buffer, source: string) => void>();
  isOpen = true;
  refusal: Error | undefined;

  send(packet: Buffer): void {
    this.sent.push(packet);
  }

  on(event: string, hear: (...given: never[]) => void): void {
    this.hearers.set(event, hear as (packet: Buffer, source: string) => void);
  }

  setOption(): void {
    if (this.refusal !== undefined) throw this.refusal;
  }

  close(): void {
    this.isOpen = false;
  }
}

/** `refuses`: which of the sockets, counted from 0, takes no option. */
class FakePackage implements RawSocketPackage {
  readonly sockets: FakeSocket[] = [];
  readonly #refuses: number;

  constructor(refuses: number) {
    this.#refuses = refuses;
  }

  createSocket(): FakeSocket {
    const socket = new FakeSocket();
    if (this.sockets.length === this.#refuses) socket.refusal = new Error('no room');
    this.sockets.push(socket);
    return socket;
  }

  createChecksum(): number {
    return 0;
  }

  writeChecksum(): void {}
}

test('a socket that takes no filter is closed, and never asked with', () => {
  const refusing = new FakePackage(0);
  expect(
    Echoes.open(
      () => {},
      () => refusing,
    ),
  ).toEqual({ ok: false, error: 'no room' });
  expect(refusing.sockets.map(({ isOpen }) => isOpen)).toEqual([false]);

  const late = new FakePackage(1);
  const opened = Echoes.open(
    () => {},
    () => late,
  );
  if (!opened.ok) throw new Error(opened.error);
  const gateway = { ip: ip('2001:db8::1'), link: 2 };
  opened.value.ask(gateway, 1);
  opened.value.ask(gateway, 2);
  const [, failed, good] = late.sockets;
  expect([failed?.isOpen, failed?.sent.length]).toEqual([false, 0]);
  expect([good?.isOpen, good?.sent.length]).toEqual([true, 1]);
  expect([...(good?.hearers.keys() ?? [])]).toEqual(['message', 'error']);
  opened.value.close();
  expect(late.sockets.map(({ isOpen }) => isOpen)).toEqual([false, false, false]);
});

test('only answers to the last questions are heard', () => {
  const fake = new FakePackage(-1);
  const heard: string[] = [];
  const opened = Echoes.open(
    (from, number) => heard.push(`${formatIp(from)} ${number}`),
    () => fake,
  );
  if (!opened.ok) throw new Error(opened.error);
  const [socket] = fake.sockets;
  for (let number = 1; number <= 40; number++) {
    opened.value.ask({ ip: ip('192.0.2.1'), link: 2 }, number);
  }
  /** Answers the question of that number; with the header of IPv4 before it. */
  const answer = (asked: number, number: number): void => {
    const echo = Buffer.from(socket?.sent[asked - 1] ?? []);
    echo.writeUInt8(0, 0);
    echo.writeUInt16BE(number, 6);
    const header = Buffer.alloc(20);
    header.writeUInt8(0x45, 0);
    socket?.hearers.get('message')?.(Buffer.concat([header, echo]), '192.0.2.1');
  };
  answer(40, 40);
  answer(39, 39);
  answer(1, 1);
  answer(40, 4711);
  expect(heard).toEqual(['192.0.2.1 40', '192.0.2.1 39']);
});
