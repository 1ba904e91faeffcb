/**
 * The names that C and TypeScript share. What `respond` answers is tested by the data-plane
 * contract, and against the kernel by the differential test.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { BYTECODE } from '../../../speaker/native/bytecode.ts';
import { DEEDS, VERDICTS } from '../../../speaker/respond.ts';

const header = readFileSync(join(import.meta.dirname, '../../../speaker/native/tables.h'), 'utf8');

describe('tables.h and TypeScript', () => {
  test('name the same verdicts in the same order', () => {
    const list = header.slice(header.indexOf('#define VERDICTS'), header.indexOf('enum verdict'));
    const names = [...list.matchAll(/^\s+name\((\w+)\)/gm)].map(([, name]) => name);
    expect(names).toEqual([...VERDICTS]);
  });

  test('name the same deeds in the same order', () => {
    const list = header.slice(header.indexOf('#define DEEDS'), header.indexOf('enum counter'));
    const names = [...list.matchAll(/^\s+name\((\w+)\)/gm)].map(([, name]) => name);
    expect(names).toEqual([...DEEDS]);
  });

  test('agree on the number of addresses, links and verdicts', () => {
    expect(header).toContain(`#define MAX_VIPS ${BYTECODE.maps.vips.maxEntries}\n`);
    expect(header).toContain(`#define MAX_LINKS ${BYTECODE.maps.links.maxEntries} `);
    expect(BYTECODE.maps.slots.maxEntries).toBe(BYTECODE.maps.vips.maxEntries);
    expect(BYTECODE.maps.verdicts.maxEntries).toBe(VERDICTS.length + DEEDS.length);
  });

  test('the program is loadable by kernels that know GPL-only helpers', () => {
    expect(BYTECODE.license).toBe('Dual MIT/GPL');
  });
});
