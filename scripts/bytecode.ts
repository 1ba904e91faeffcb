/**
 * Compiles speaker/native/responder.bpf.c and writes speaker/native/bytecode.ts: the instructions
 * of each program, where a map's file descriptor goes, and the shape of each map.
 *
 *   node scripts/bytecode.ts           regenerate
 *   node scripts/bytecode.ts --check   rebuild and compare with the committed module
 *
 * The module is committed, so that users need neither clang nor kernel headers. The ELF file is
 * read here (60 lines) rather than by libbpf at run time: without BTF and CO-RE there is nothing
 * else for libbpf to do. The same clang gives the same bytes; another major version may not,
 * therefore clang-14 by name.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { format } from 'prettier';
import type { Bytecode, MapShape, Program } from '../speaker/bytecode.ts';

const NATIVE = join(import.meta.dirname, '../speaker/native');
const OUTPUT = join(NATIVE, 'bytecode.ts');
const CLANG = 'clang-14';

/** ELF numbers: what a file holds, what a section is, how a relocation works. */
const EM_BPF = 247;
const SHT_SYMTAB = 2;
const SHT_REL = 9;
const STT_OBJECT = 1;
const STT_FUNC = 2;
const R_BPF_64_64 = 1;

interface Section {
  readonly name: string;
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
}

interface ElfSymbol {
  readonly name: string;
  readonly type: number;
  readonly section: number;
  readonly value: number;
  readonly size: number;
}

function fail(sentence: string): never {
  console.error(`bytecode: ${sentence}`);
  process.exit(1);
}

function compile(directory: string): Buffer {
  const object = join(directory, 'responder.o');
  const machine = { x64: 'x86_64', arm64: 'aarch64' }[process.arch as string] ?? process.arch;
  const headers = `-I/usr/include/${machine}-linux-gnu`;
  const flags = ['-O2', '-target', 'bpf', '-mcpu=v2', '-Wall', '-Wextra', '-Werror', headers];
  const files = ['-c', join(NATIVE, 'responder.bpf.c'), '-o', object];
  const run = spawnSync(CLANG, [...flags, ...files], { encoding: 'utf8' });
  if (run.error !== undefined) {
    fail(`${CLANG} is missing: apt-get install clang-14 libbpf-dev linux-libc-dev`);
  }
  if (run.status !== 0) fail(`${CLANG} failed:\n${run.stderr}`);
  return readFileSync(object);
}

function text(elf: Buffer, offset: number): string {
  return elf.toString('latin1', offset, elf.indexOf(0, offset));
}

function readSections(elf: Buffer): Section[] {
  const table = Number(elf.readBigUInt64LE(40));
  const entrySize = elf.readUInt16LE(58);
  const count = elf.readUInt16LE(60);
  const names = elf.readUInt16LE(62);
  const at = (index: number): number => table + index * entrySize;
  const namesAt = Number(elf.readBigUInt64LE(at(names) + 24));
  return Array.from({ length: count }, (_, index) => ({
    name: text(elf, namesAt + elf.readUInt32LE(at(index))),
    type: elf.readUInt32LE(at(index) + 4),
    offset: Number(elf.readBigUInt64LE(at(index) + 24)),
    size: Number(elf.readBigUInt64LE(at(index) + 32)),
    link: elf.readUInt32LE(at(index) + 40),
    info: elf.readUInt32LE(at(index) + 44),
  }));
}

function readSymbols(elf: Buffer, sections: readonly Section[]): ElfSymbol[] {
  const table = sections.find((section) => section.type === SHT_SYMTAB);
  const strings = table === undefined ? undefined : sections[table.link];
  if (table === undefined || strings === undefined) fail('the object has no symbol table');
  return Array.from({ length: table.size / 24 }, (_, index) => {
    const at = table.offset + index * 24;
    return {
      name: text(elf, strings.offset + elf.readUInt32LE(at)),
      type: elf.readUInt8(at + 4) & 15,
      section: elf.readUInt16LE(at + 6),
      value: Number(elf.readBigUInt64LE(at + 8)),
      size: Number(elf.readBigUInt64LE(at + 16)),
    };
  });
}

/** The instructions of one function and its references to maps. */
function readProgram(
  elf: Buffer,
  sections: readonly Section[],
  symbols: readonly ElfSymbol[],
  main: ElfSymbol,
): Program {
  const offset = (sections[main.section]?.offset ?? 0) + main.value;
  const code = elf.subarray(offset, offset + main.size).toString('base64');
  const relocations: [number, string][] = [];
  for (const section of sections) {
    if (section.type !== SHT_REL || section.info !== main.section) continue;
    for (let at = section.offset; at < section.offset + section.size; at += 16) {
      const where = Number(elf.readBigUInt64LE(at)) - main.value;
      if (where < 0 || where >= main.size) continue;
      const symbol = symbols[elf.readUInt32LE(at + 12)];
      const map = sections[symbol?.section ?? 0]?.name === 'maps' ? symbol?.name : undefined;
      if (elf.readUInt32LE(at + 8) !== R_BPF_64_64 || map === undefined) {
        fail(`${main.name} refers to ${symbol?.name}: only maps may be referred to`);
      }
      relocations.push([where / 8, map]);
    }
  }
  return { code, relocations };
}

function readObject(elf: Buffer): Bytecode {
  if (elf.readUInt32BE(0) !== 0x7f454c46 || elf.readUInt16LE(18) !== EM_BPF) {
    fail('the compiler wrote no BPF object');
  }
  const sections = readSections(elf);
  const symbols = readSymbols(elf, sections);
  const maps: Record<string, MapShape> = {};
  const programs: Record<string, Program> = {};
  for (const symbol of symbols) {
    const section = sections[symbol.section];
    if (symbol.type === STT_OBJECT && section?.name === 'maps') {
      const at = section.offset + symbol.value;
      maps[symbol.name] = {
        type: elf.readUInt32LE(at),
        keySize: elf.readUInt32LE(at + 4),
        valueSize: elf.readUInt32LE(at + 8),
        maxEntries: elf.readUInt32LE(at + 12),
        flags: elf.readUInt32LE(at + 16),
      };
    }
    if (symbol.type === STT_FUNC) {
      programs[symbol.name] = readProgram(elf, sections, symbols, symbol);
    }
  }
  const license = sections.find((section) => section.name === 'license');
  return { license: text(elf, license?.offset ?? fail('no licence')), maps, programs };
}

/** Base64 in lines of 90, so that a change shows as changed lines. */
function print({ license, maps, programs }: Bytecode): string {
  const wrap = (code: string): string =>
    (code.match(/.{1,90}/g) ?? []).map((line) => `'${line}'`).join(' +\n');
  const shapes = Object.entries(maps).map(([name, map]) => `${name}: ${JSON.stringify(map)},`);
  const bodies = Object.entries(programs).map(
    ([name, { code, relocations }]) =>
      `${name}: { relocations: ${JSON.stringify(relocations)}, code: ${wrap(code)} },`,
  );
  return `/**
 * Generated from responder.bpf.c by scripts/bytecode.ts; do not edit. Instructions as base64, and
 * the instructions that take a map's file descriptor. Licence: MIT OR GPL-2.0, as its source.
 */
import type { Bytecode } from '../bytecode.ts';

export const BYTECODE = {
  license: ${JSON.stringify(license)},
  maps: { ${shapes.join('\n')} },
  programs: { ${bodies.join('\n')} },
} as const satisfies Bytecode;
`;
}

const directory = mkdtempSync(join(tmpdir(), 'bytecode-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
const module = await format(print(readObject(compile(directory))), {
  parser: 'typescript',
  singleQuote: true,
  printWidth: 100,
});
if (!process.argv.includes('--check')) {
  writeFileSync(OUTPUT, module);
} else if (readFileSync(OUTPUT, 'utf8') !== module) {
  fail('speaker/native/bytecode.ts is not what responder.bpf.c gives: run npm run generate');
}
