/**
 * Command lines in the style of Go's `flag` package, which MetalLB's manifests use: `--name=value`,
 * `--name value`, `-name`. Not node:util's parseArgs: it is I/O-free but lives in Node's world,
 * and its errors do not say which flag was probably meant.
 */
import { assert, unreachable } from '../lib/assert.ts';
import { err, ok } from '../lib/result.ts';
import type { Result } from '../lib/result.ts';

interface Common {
  /** One line for `--help`. */
  readonly help: string;
  /** What stands for the value in `--help`, such as `DIR`. */
  readonly hint?: string;
}

export type Flag = Common &
  (
    | { readonly kind: 'text'; readonly default: string }
    /** Text that must be given. */
    | { readonly kind: 'needed' }
    | { readonly kind: 'list' }
    | {
        readonly kind: 'number';
        readonly default: number;
        readonly min: number;
        readonly max: number;
      }
    | { readonly kind: 'choice'; readonly default: string; readonly choices: readonly string[] }
    | { readonly kind: 'switch' }
  );

/** By name without dashes. `help` is always there and must not be named. */
export type FlagSpec = Readonly<Record<string, Flag>>;

type ValueOf<F extends Flag> = F extends { kind: 'number' }
  ? number
  : F extends { kind: 'switch' }
    ? boolean
    : F extends { kind: 'list' }
      ? readonly string[]
      : F extends { kind: 'choice'; choices: readonly (infer C)[] }
        ? C
        : string;

export type FlagValues<S extends FlagSpec> = { readonly [Name in keyof S]: ValueOf<S[Name]> } & {
  /** `--help` was given; the other values are the defaults. */
  readonly help: boolean;
};

type Value = string | number | boolean | readonly string[];

/**
 * Values of all flags, or one sentence that starts with the program's name. Write the
 * specification `as const satisfies FlagSpec`, so that values get their own types.
 */
export function parseFlags<S extends FlagSpec>(
  program: string,
  spec: S,
  argv: readonly string[],
): Result<FlagValues<S>, string> {
  assert(!Object.hasOwn(spec, 'help'), 'a program may not define --help itself');
  const fail = (message: string): Result<never, string> => err(`${program}: ${message}`);
  const values: Record<string, Value> = { help: false };
  for (const [name, flag] of Object.entries(spec)) values[name] = initial(flag);
  if (argv.some((word) => /^--?h(elp)?$/.test(word))) {
    return ok({ ...values, help: true } as FlagValues<S>);
  }
  const given = new Set<string>();
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at] ?? '';
    const match = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(word);
    if (match === null) return fail(`"${word}" is not a flag; --help lists the flags`);
    const name = match[1] ?? '';
    const flag = Object.hasOwn(spec, name) ? spec[name] : undefined;
    if (flag === undefined) return fail(unknown(name, Object.keys(spec)));
    let text = match[2];
    if (text === undefined && flag.kind !== 'switch') {
      at += 1;
      text = argv[at];
      if (text === undefined || text.startsWith('--')) {
        return fail(`--${name} needs a value: --${name}=${hintOf(flag)}`);
      }
    }
    const read = valueOf(name, flag, text);
    if (!read.ok) return fail(read.error);
    const earlier = values[name];
    values[name] =
      flag.kind === 'list' && Array.isArray(earlier)
        ? [...(earlier as readonly string[]), ...(read.value as readonly string[])]
        : read.value;
    given.add(name);
  }
  for (const [name, flag] of Object.entries(spec)) {
    if (flag.kind !== 'needed' || given.has(name)) continue;
    return fail(`--${name}=${hintOf(flag)} is missing: ${flag.help}`);
  }
  return ok(values as FlagValues<S>);
}

/** The text of `--help`: usage and one row for each flag. */
export function flagHelp(program: string, about: string, spec: FlagSpec): string {
  const rows = Object.entries(spec).map(([name, flag]): readonly [string, string] => {
    const left = flag.kind === 'switch' ? `--${name}` : `--${name}=${hintOf(flag)}`;
    return [left, flag.help + defaultText(flag)];
  });
  rows.push(['--help', 'this text']);
  const width = Math.max(...rows.map(([left]) => left.length));
  const lines = rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
  return [`${program}: ${about}`, '', `usage: ${program} [flags]`, '', ...lines, ''].join('\n');
}

function initial(flag: Flag): Value {
  switch (flag.kind) {
    case 'text':
    case 'number':
    case 'choice':
      return flag.default;
    case 'needed':
      return '';
    case 'list':
      return [];
    case 'switch':
      return false;
    default:
      return unreachable(flag);
  }
}

function valueOf(name: string, flag: Flag, text: string | undefined): Result<Value, string> {
  const value = text ?? '';
  switch (flag.kind) {
    case 'text':
      return ok(value);
    case 'needed':
      return value === '' ? err(`--${name} is empty: ${flag.help}`) : ok(value);
    case 'list': {
      const parts = value.split(',').map((part) => part.trim());
      return ok(parts.filter((part) => part !== ''));
    }
    case 'number': {
      const number = Number(value);
      const whole = /^\d+$/.test(value) && number >= flag.min && number <= flag.max;
      if (whole) return ok(number);
      return err(
        `--${name} is "${value}", which is not a whole number from ${flag.min} to ${flag.max}`,
      );
    }
    case 'choice':
      if (flag.choices.includes(value)) return ok(value);
      return err(`--${name} is "${value}"; choose one of ${flag.choices.join(', ')}`);
    case 'switch':
      // Go's spelling: a switch may carry its value, but only after an equals sign.
      if (text === undefined || value === 'true') return ok(true);
      if (value === 'false') return ok(false);
      return err(`--${name} is "${value}"; it is either given or not (or =true, =false)`);
    default:
      return unreachable(flag);
  }
}

function unknown(name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  const advice = near === undefined ? '--help lists the flags' : `did you mean --${near}?`;
  return `unknown flag --${name}; ${advice}`;
}

/** The known name with the fewest edits, if that is few enough to be a slip. */
function nearest(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const edits = candidate.startsWith(name) ? 1 : distance(name, candidate);
    if (edits < least) {
      least = edits;
      best = candidate;
    }
  }
  return best;
}

/** Levenshtein's, one row at a time. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, swap));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

function hintOf(flag: Flag): string {
  if (flag.hint !== undefined) return flag.hint;
  if (flag.kind === 'choice') return flag.choices.join('|');
  return flag.kind === 'number' ? 'N' : 'TEXT';
}

function defaultText(flag: Flag): string {
  if (flag.kind === 'needed') return ' (needed)';
  if (flag.kind === 'list') return ' (comma-separated, may be repeated)';
  if (flag.kind === 'switch' || flag.default === '') return '';
  return ` (default ${flag.default})`;
}
