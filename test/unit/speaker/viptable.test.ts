/** Which MACs a native plane takes for its own, when a table is full or refuses something. */
import { constants } from 'node:os';
import { beforeEach, expect, test } from '@jest/globals';
import { macFromBytes } from '../../../net/mac.ts';
import type { Mac } from '../../../net/mac.ts';
import type { PlaneTables } from '../../../speaker/io/planetables.ts';
import { VipTable } from '../../../speaker/io/viptable.ts';

const ROOM = 64;
const { E2BIG, EPERM, ENOENT } = constants.errno;

/** The kernel's hash tables, as far as links go. */
class Tables implements PlaneTables {
  readonly slots = new BigUint64Array(8);
  readonly macs = new Set<Mac>();
  refusal = 0;

  setVip(): number {
    return 0;
  }

  vips(): [] {
    return [];
  }

  setLink(): number {
    return -this.refusal;
  }

  setMac(key: Uint8Array, value?: Uint8Array): number {
    const mac = macFromBytes(key);
    if (value === undefined) return this.macs.delete(mac) ? 0 : -ENOENT;
    if (this.macs.size === ROOM && !this.macs.has(mac)) return -E2BIG;
    this.macs.add(mac);
    return 0;
  }
}

let tables: Tables;
let table: VipTable;

beforeEach(() => {
  tables = new Tables();
  table = new VipTable(tables);
});

const NEW = '02:00:5e:00:53:ff';

function macOf(index: number): Mac {
  return `02:00:5e:00:53:${index.toString(16).padStart(2, '0')}`;
}

function attach(count: number): void {
  for (let index = 1; index <= count; index++) {
    expect(table.putLink({ index, mac: macOf(index) }).ok).toBe(true);
  }
}

test('a link that is refused leaves no MAC behind, whose claims would be overlooked', () => {
  attach(1);
  tables.refusal = EPERM;
  expect(table.putLink({ index: 2, mac: NEW }).ok).toBe(false);
  expect(table.putLink({ index: 1, mac: NEW }).ok).toBe(false);
  expect(table.putLink({ index: 2, mac: macOf(1) }).ok).toBe(false);
  expect([...tables.macs]).toEqual([macOf(1)]);
});

test('with as many links as there is room for, one of them gets another MAC', () => {
  attach(ROOM);
  expect(table.putLink({ index: 7, mac: NEW }).ok).toBe(true);
  expect(tables.macs.has(NEW)).toBe(true);
  expect(tables.macs.has(macOf(7))).toBe(false);
  expect(tables.macs.size).toBe(ROOM);
});

test('the old MAC is back if the link cannot have the new one', () => {
  attach(ROOM);
  tables.refusal = EPERM;
  expect(table.putLink({ index: 7, mac: NEW }).ok).toBe(false);
  expect(tables.macs.has(NEW)).toBe(false);
  expect(tables.macs.has(macOf(7))).toBe(true);
});
