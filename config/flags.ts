/**
 * Command lines in the style of Go's `flag` package, which MetalLB's manifests use: `--name=value`,
 * `--name value`, `-name`. Not node:util's parseArgs: it is I/O-free but lives in Node's world,
 * and its errors do not say which flag was probably meant.
 *
 * A flag that nobody knows is a remark, not an error: manifests of any MetalLB must start. A known
 * flag with a value that it cannot have is an error, from wherever the value comes.
 */
import { assert, unreachable } from '../lib/assert.ts';
import { err, ok } from '../lib/result.ts';
import type { Result } from '../lib/result.ts';

interface Common {
  /** One line for `--help`. */
  readonly help: string;
  /** What stands for the value in `--help`, such as `DIR`. */
  readonly hint?: string;
  /** Other names for the same, as MetalLB has them. */
  readonly also?: readonly string[];
  /** Variables that give the value when the command line does not; the first that is not empty. */
  readonly env?: readonly string[];
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
    /** Taken for the sake of those who give it, and then a remark: `help` says why it is moot. */
    | { readonly kind: 'moot'; readonly takesValue: boolean }
  );

/** By name without dashes. `help` is always there and must not be named. */
export type FlagSpec = Readonly<Record<string, Flag>>;

type ValueOf<F extends Flag> = F extends { kind: 'number' }
  ? number
  : F extends { kind: 'switch' | 'moot' }
    ? boolean
    : F extends { kind: 'list' }
      ? readonly string[]
      : F extends { kind: 'choice'; choices: readonly (infer C)[] }
        ? C
        : string;

/** What a user should know of the command line; it starts all the same. */
export interface Remark {
  readonly level: 'warn' | 'info';
  readonly event: 'UnknownFlag' | 'MootFlag';
  readonly message: string;
}

export type FlagValues<S extends FlagSpec> = { readonly [Name in keyof S]: ValueOf<S[Name]> } & {
  /** `--help` was given; the other values are the defaults. */
  readonly help: boolean;
  /** Those that have their value from the command line or from a variable, by their first name. */
  readonly given: ReadonlySet<string>;
  readonly remarks: readonly Remark[];
};

export type Environment = Readonly<Record<string, string | undefined>>;

type Value = string | number | boolean | readonly string[];

/**
 * Values of all flags, or one sentence that starts with the program's name. Write the
 * specification `as const satisfies FlagSpec`, so that values get their own types.
 */
export function parseFlags<S extends FlagSpec>(
  program: string,
  spec: S,
  argv: readonly string[],
  environment: Environment = {},
): Result<FlagValues<S>, string> {
  assert(!Object.hasOwn(spec, 'help'), 'a program may not define --help itself');
  const parsing = new Parsing(spec);
  if (argv.some((word) => /^--?h(elp)?$/.test(word))) {
    return ok(parsing.result(true) as FlagValues<S>);
  }
  const fault = parsing.words(argv) ?? parsing.variables(environment) ?? parsing.missing();
  if (fault !== undefined) return err(`${program}: ${fault}`);
  return ok(parsing.result(false) as FlagValues<S>);
}

/** One command line; its methods return what is wrong, in words, or undefined. */
class Parsing {
  readonly #spec: FlagSpec;
  readonly #names = new Map<string, string>();
  readonly #values: Record<string, Value> = {};
  readonly #given = new Set<string>();
  readonly #remarks: Remark[] = [];

  constructor(spec: FlagSpec) {
    this.#spec = spec;
    for (const [name, flag] of Object.entries(spec)) {
      this.#values[name] = initial(flag);
      for (const each of [name, ...(flag.also ?? [])]) {
        assert(!this.#names.has(each), `--${each} is defined twice`);
        this.#names.set(each, name);
      }
    }
  }

  result(help: boolean): Record<string, unknown> {
    return { ...this.#values, help, given: this.#given, remarks: this.#remarks };
  }

  words(argv: readonly string[]): string | undefined {
    for (let at = 0; at < argv.length; at += 1) {
      const word = argv[at] ?? '';
      const [, called, inline] = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(word) ?? [];
      const next = argv[at + 1];
      const name = called === undefined ? undefined : this.#names.get(called);
      const flag = name === undefined ? undefined : this.#spec[name];
      if (called === undefined || name === undefined || flag === undefined) {
        this.#unknown(called, word);
        // Perhaps its value.
        const mayHave = called !== undefined && inline === undefined;
        if (mayHave && next?.startsWith('-') === false) at += 1;
        continue;
      }
      let text = inline;
      if (text === undefined && needsValue(flag)) {
        at += 1;
        text = next;
        if (text === undefined || text.startsWith('--')) {
          return `--${called} needs a value: --${called}=${hintOf(flag)}`;
        }
      }
      const fault = this.#set(name, `--${called}`, text);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  variables(environment: Environment): string | undefined {
    for (const [name, { env = [] }] of Object.entries(this.#spec)) {
      if (this.#given.has(name)) continue;
      const variable = env.find((each) => (environment[each] ?? '') !== '');
      if (variable === undefined) continue;
      const fault = this.#set(name, variable, environment[variable]);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  missing(): string | undefined {
    for (const [name, flag] of Object.entries(this.#spec)) {
      if (flag.kind !== 'needed' || this.#given.has(name)) continue;
      return `--${name}=${hintOf(flag)} is missing: ${flag.help}`;
    }
    return undefined;
  }

  #set(name: string, source: string, text: string | undefined): string | undefined {
    const flag = this.#spec[name];
    assert(flag !== undefined, `no flag ${name}`);
    if (flag.kind === 'moot') {
      const message = `${source} has no effect: ${flag.help}`;
      this.#remarks.push({ level: 'info', event: 'MootFlag', message });
      return undefined;
    }
    const read = valueOf(source, flag, text);
    if (!read.ok) return read.error;
    const earlier = this.#values[name];
    this.#values[name] =
      flag.kind === 'list' && Array.isArray(earlier)
        ? [...(earlier as readonly string[]), ...(read.value as readonly string[])]
        : read.value;
    this.#given.add(name);
    return undefined;
  }

  #unknown(name: string | undefined, word: string): void {
    const message =
      name === undefined
        ? `"${word}" is not a flag and is left out; --help lists the flags`
        : unknown(name, [...this.#names.keys()]);
    this.#remarks.push({ level: 'warn', event: 'UnknownFlag', message });
  }
}

function needsValue(flag: Flag): boolean {
  return flag.kind === 'moot' ? flag.takesValue : flag.kind !== 'switch';
}

/** The text of `--help`: usage and one row for each flag. */
export function flagHelp(program: string, about: string, spec: FlagSpec): string {
  const all = Object.entries(spec);
  const rows = all.flatMap(([name, flag]): readonly (readonly [string, string])[] => {
    if (flag.kind === 'moot') return [];
    const left = flag.kind === 'switch' ? `--${name}` : `--${name}=${hintOf(flag)}`;
    return [[left, flag.help + defaultText(flag)]];
  });
  rows.push(['--help', 'this text']);
  const moot = all.filter(([, flag]) => flag.kind === 'moot').map(([name]) => `--${name}`);
  if (moot.length > 0) rows.push(['taken, without effect', moot.join(' ')]);
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
    case 'moot':
      return false;
    default:
      return unreachable(flag);
  }
}

/** `source`: as the user wrote it, for messages. */
function valueOf(source: string, flag: Flag, text: string | undefined): Result<Value, string> {
  const value = text ?? '';
  switch (flag.kind) {
    case 'text':
      return ok(value);
    case 'needed':
      return value === '' ? err(`${source} is empty: ${flag.help}`) : ok(value);
    case 'list': {
      const parts = value.split(',').map((part) => part.trim());
      return ok(parts.filter((part) => part !== ''));
    }
    case 'number': {
      const number = Number(value);
      const whole = /^\d+$/.test(value) && number >= flag.min && number <= flag.max;
      if (whole) return ok(number);
      return err(
        `${source} is "${value}", which is not a whole number from ${flag.min} to ${flag.max}`,
      );
    }
    case 'choice':
      if (flag.choices.includes(value)) return ok(value);
      return err(`${source} is "${value}"; choose one of ${flag.choices.join(', ')}`);
    case 'switch':
      // Go's spelling: a switch may carry its value, but only after an equals sign.
      if (text === undefined || /^(?:1|t|T|true|TRUE|True)$/.test(value)) return ok(true);
      if (/^(?:0|f|F|false|FALSE|False)$/.test(value)) return ok(false);
      return err(`${source} is "${value}"; it is either given or not (or =true, =false)`);
    case 'moot':
      return ok(false);
    default:
      return unreachable(flag);
  }
}

function unknown(name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  const advice = near === undefined ? '--help lists the flags' : `did you mean --${near}?`;
  return `unknown flag --${name} is left out; ${advice}`;
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
  if (flag.kind === 'switch' || flag.kind === 'moot' || flag.default === '') return '';
  return ` (default ${flag.default})`;
}
