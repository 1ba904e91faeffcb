/**
 * The Go compiler, new enough for Kubernetes: the one of this machine when it is, else a newer one
 * that an old one fetches. From Go 1.21 on the command does that by itself (GOTOOLCHAIN=auto);
 * an older one, such as Debian 12's 1.19, can still download the toolchain as what it is, a Go
 * module, whose files only lack their executable bits.
 */
import { accessSync, chmodSync, constants, existsSync, globSync } from 'node:fs';
import { join } from 'node:path';
import { executeSync } from '../execute.ts';
import { LabFailure } from '../failure.ts';

/** The `go` line of go.mod asks for 1.25.0; this is what is fetched where there is less. */
const FETCHED = '1.25.4';
const WANTED = { major: 1, minor: 25 };
/** The first that fetches its successors by itself. */
const SELF_UPDATING = { major: 1, minor: 21 };

export interface GoTool {
  readonly command: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Throws one sentence where there is no way to a Go compiler. */
export function findGo(say: (text: string) => void): GoTool {
  const command = installed();
  if (command === undefined) {
    throw new LabFailure(
      'Go is missing, which builds Kubernetes once: run `apt-get install golang-go` (it fetches ' +
        'a newer Go by itself), or install Go 1.25 or newer from your distribution or go.dev',
    );
  }
  const version = versionOf(command, 'local');
  if (atLeast(version, WANTED)) return { command, env: { GOTOOLCHAIN: 'local' } };
  if (atLeast(version, SELF_UPDATING)) {
    return { command, env: { GOTOOLCHAIN: `go${FETCHED}+auto` } };
  }
  say(`Go ${version} is too old for Kubernetes: fetching Go ${FETCHED} with it`);
  return { command: fetchToolchain(command), env: { GOTOOLCHAIN: 'local' } };
}

function installed(): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/local/go/bin'];
  return folders.map((folder) => join(folder, 'go')).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** `1.19.8`, whatever a go.mod nearby may ask for. */
function versionOf(command: string, toolchain: string): string {
  const asked = executeSync([command, 'version'], { env: { GOTOOLCHAIN: toolchain } });
  const version = /go version go(\d+\.\d+(?:\.\d+)?)/.exec(asked.stdout)?.[1];
  if (version !== undefined) return version;
  throw new LabFailure(`\`${command} version\` does not work: ${asked.stderr.trim()}`);
}

function atLeast(version: string, wanted: { major: number; minor: number }): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > wanted.major || (major === wanted.major && minor >= wanted.minor);
}

/** Into Go's own module cache, checked by Go against its checksum database. */
function fetchToolchain(command: string): string {
  const machine = process.arch === 'arm64' ? 'arm64' : 'amd64';
  const module = `golang.org/toolchain@v0.0.1-go${FETCHED}.linux-${machine}`;
  // Not here: an old Go cannot read the go.mod of a new one.
  const argv = ['env', '-C', '/', command, 'mod', 'download', '-json', module];
  const done = executeSync(argv, { timeoutMs: 600_000 });
  const told = done.stdout === '' ? {} : (JSON.parse(done.stdout) as Download);
  if (done.code !== 0 || told.Dir === undefined || !existsSync(told.Dir)) {
    const why = (told.Error ?? done.stderr).trim();
    throw new LabFailure(
      `Go ${FETCHED} cannot be fetched with the installed Go: ${why}; install Go 1.25 or newer ` +
        'from your distribution or go.dev',
    );
  }
  // A module zip carries no modes.
  for (const file of globSync(['bin/*', 'pkg/tool/*/*'], { cwd: told.Dir })) {
    chmodSync(join(told.Dir, file), 0o755);
  }
  return join(told.Dir, 'bin/go');
}

interface Download {
  readonly Dir?: string;
  readonly Error?: string;
}
