/** The requests that hang a filter on a link and take it off, byte for byte. */
import { describe, expect, test } from '@jest/globals';
import {
  deleteClsact,
  deleteFilter,
  dumpFilters,
  namesFilter,
  newClsact,
  newFilter,
} from '../../../speaker/clsact.ts';

function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));
}

describe('clsact requests', () => {
  test('a clsact qdisc, exclusively', () => {
    expect(newClsact(3, 4)).toEqual(
      hex(
        '30000000 2400 0506 03000000 00000000' +
          '00000000 04000000 0000ffff f1ffffff 00000000' +
          '0b00 0100 636c7361637400 00',
      ),
    );
  });

  test('a filter that replaces its predecessor', () => {
    expect(newFilter(5, 4, 'ingress', 17)).toEqual(
      hex(
        '50000000 2c00 0504 05000000 00000000' +
          '00000000 04000000 490a0000 f2ffffff 00030100' +
          '0800 0100 62706600' +
          '2400 0200  0800 0600 11000000  0d00 0700 617270656767696f00 000000  0800 0800 01000000',
      ),
    );
  });

  test('the same filter is deleted', () => {
    expect(deleteFilter(6, 4, 'ingress')).toEqual(
      hex(
        '2c000000 2d00 0500 06000000 00000000' +
          '00000000 04000000 490a0000 f2ffffff 00030100' +
          '0800 0100 62706600',
      ),
    );
  });

  test('on the egress side they differ in the parent only', () => {
    for (const build of [
      (side: 'ingress' | 'egress') => newFilter(5, 4, side, 17),
      (side: 'ingress' | 'egress') => deleteFilter(5, 4, side),
      (side: 'ingress' | 'egress') => dumpFilters(5, 4, side),
    ]) {
      const [ingress, egress] = [build('ingress'), build('egress')];
      expect(ingress.length).toBe(egress.length);
      const differing = [...ingress.keys()].filter((at) => ingress[at] !== egress[at]);
      expect(differing).toEqual([28]);
      expect([ingress[28], egress[28]]).toEqual([0xf2, 0xf3]);
    }
  });

  test('all filters of a side', () => {
    expect(dumpFilters(7, 4, 'ingress')).toEqual(
      hex('24000000 2e00 0103 07000000 00000000 00000000 04000000 00000000 f2ffffff 00000000'),
    );
  });

  test('a part of the answer names a filter, or is its end', () => {
    expect(namesFilter(newFilter(5, 4, 'ingress', 17))).toBe(true);
    expect(namesFilter(hex('14000000 0300 0200 07000000 00000000 00000000'))).toBe(false);
    expect(namesFilter(new Uint8Array())).toBe(false);
  });

  test('the qdisc goes', () => {
    expect(deleteClsact(8, 4)).toEqual(
      hex('24000000 2500 0500 08000000 00000000 00000000 04000000 0000ffff f1ffffff 00000000'),
    );
  });
});
