/** Which content of which file is believed, and when; in virtual time. */
import { describe, expect, test } from '@jest/globals';
import { validate } from '../../../config/schema.ts';
import { Directory, SETTLE } from '../../../kube/directory.ts';
import type { DirectoryInput, DirectoryOutput } from '../../../kube/directory.ts';
import { SERVICE } from '../../../kube/kube.ts';
import { writeOverlay } from '../../../kube/overlay.ts';

const service = (name: string, port: number | string = 80): string =>
  ['apiVersion: v1', 'kind: Service', `metadata: {name: ${name}}`]
    .concat('spec:', '  ports:', `    - port: ${port}`, '')
    .join('\n');

/** A conversation: what goes in at a time, what comes out in short words. */
function begun(files: Record<string, string> = {}): Talk {
  const talk = new Talk();
  const inputs = Object.entries(files).map(([name, text]) => file(name, text));
  talk.say(0, ...inputs);
  talk.say(0, { type: 'begun' });
  return talk;
}

function file(name: string, text: string | undefined): DirectoryInput {
  return { type: 'file', name, text };
}

function overlay(name: string, text: string | undefined): DirectoryInput {
  return { type: 'overlay', name, text };
}

class Talk {
  readonly directory = new Directory((name) => `m/${name}`, validate);

  say(now: number, ...inputs: DirectoryInput[]): readonly string[] {
    this.directory.handle(inputs, now);
    return this.#heard();
  }

  wait(now: number): readonly string[] {
    this.directory.tick(now);
    return this.#heard();
  }

  port(name: string): number | undefined {
    const object = this.directory.object(SERVICE, `default/${name}`);
    return (object as { spec?: { ports?: { port: number }[] } })?.spec?.ports?.[0]?.port;
  }

  #heard(): readonly string[] {
    const words: string[] = [];
    for (let out = this.directory.poll(); out !== undefined; out = this.directory.poll()) {
      words.push(inWords(out));
    }
    return words;
  }
}

function inWords(out: DirectoryOutput): string {
  if (out.type === 'orphan') return `orphan ${out.name}`;
  const { event } = out;
  switch (event.type) {
    case 'put':
      return `put ${event.object.metadata.name}`;
    case 'delete':
      return `delete ${event.key}`;
    case 'problem':
      return `problem ${event.problem.place} ${event.problem.path} ${event.problem.message}`;
    case 'solved':
      return `solved ${event.place}`;
    case 'synced':
      return 'synced';
    case 'remnant':
      return `remnant ${event.key} ${event.status === undefined ? 'over' : 'held'}`;
    default:
      throw new Error('unheard of');
  }
}

describe('a change is believed', () => {
  test('at once when it reads well and loses nothing', () => {
    const talk = begun({ 'a.yaml': service('a') });
    expect(talk.say(10, file('a.yaml', service('a', 81)))).toEqual(['put a']);
    expect(talk.say(20, file('b.yaml', service('b')))).toEqual(['put b']);
    expect(talk.directory.deadline()).toBe(undefined);
  });

  test('only after a while when an object is lost', () => {
    const talk = begun({ 'a.yaml': service('a') });
    expect(talk.say(10, file('a.yaml', undefined))).toEqual([]);
    expect(talk.directory.deadline()).toBe(10 + SETTLE);
    expect(talk.wait(9 + SETTLE)).toEqual([]);
    expect(talk.wait(10 + SETTLE)).toEqual(['delete default/a']);
    expect(talk.directory.deadline()).toBe(undefined);
  });

  test('not at all when the file comes back in time', () => {
    const talk = begun({ 'a.yaml': service('a') });
    expect(talk.say(10, file('a.yaml', ''))).toEqual([]);
    expect(talk.say(20, file('a.yaml', service('a').slice(0, 30)))).toEqual([]);
    expect(talk.say(30, file('a.yaml', service('a')))).toEqual([]);
    expect(talk.wait(1000)).toEqual([]);
  });

  test('later when the last line is not ended: it may be half of a longer one', () => {
    const talk = begun({ 'a.yaml': service('a', 8080) });
    expect(talk.say(10, file('a.yaml', service('a', 8080).slice(0, -3)))).toEqual([]);
    expect(talk.say(20, file('a.yaml', service('a', 8081)))).toEqual(['put a']);
    const ended = service('a', 8082).trimEnd();
    expect(talk.say(30, file('a.yaml', ended))).toEqual([]);
    expect(talk.wait(30 + SETTLE)).toEqual(['put a']);
    expect(talk.port('a')).toBe(8082);
  });

  test('the wait begins anew with every change, not with every look', () => {
    const talk = begun({ 'a.yaml': service('a') });
    talk.say(10, file('a.yaml', 'x'));
    talk.say(100, file('a.yaml', 'x'));
    expect(talk.directory.deadline()).toBe(10 + SETTLE);
    talk.say(200, file('a.yaml', 'xy'));
    expect(talk.directory.deadline()).toBe(200 + SETTLE);
  });
});

describe('a malformed file', () => {
  const broken = service('a', '"80"');

  test('is reported with line and path; its objects stay until it is mended', () => {
    const talk = begun({ 'a.yaml': service('a') });
    talk.say(10, file('a.yaml', broken));
    expect(talk.wait(10 + SETTLE)).toEqual([
      'problem m/a.yaml:6 spec.ports[0].port port must be a number, but it is the text "80"',
    ]);
    expect(talk.port('a')).toBe(80);
    expect(talk.say(999, file('a.yaml', service('a', 82)))).toEqual(['put a', 'solved m/a.yaml:6']);
  });

  test('stays good in its other documents', () => {
    const talk = begun({ 'a.yaml': `${service('a')}---\n${service('b')}` });
    talk.say(10, file('a.yaml', `${broken}---\n${service('b', 81)}---\n${service('c')}`));
    expect(talk.wait(1000)).toEqual(['put b', 'put c', expect.stringContaining('a.yaml:6')]);
    expect([talk.port('a'), talk.port('b'), talk.port('c')]).toEqual([80, 81, 80]);
  });

  test('that is no YAML keeps everything it had', () => {
    const talk = begun({ 'a.yaml': `${service('a')}---\n${service('b')}` });
    talk.say(10, file('a.yaml', `${service('a')}---\nkind: [\n`));
    expect(talk.wait(1000)).toEqual([expect.stringMatching(/^problem m\/a.yaml:\d+ {2}not valid/)]);
    expect([talk.port('a'), talk.port('b')]).toEqual([80, 80]);
  });

  test('at the start is reported, and the rest is there', () => {
    const talk = new Talk();
    expect(talk.say(0, file('a.yaml', broken), file('b.yaml', service('b')))).toEqual([
      'put b',
      expect.stringContaining('problem m/a.yaml:6'),
    ]);
  });

  test('that vanishes takes its problem and its objects with it', () => {
    const talk = begun({ 'a.yaml': service('a') });
    talk.say(10, file('a.yaml', broken));
    talk.wait(500);
    talk.say(600, file('a.yaml', undefined));
    expect(talk.wait(1000)).toEqual(['delete default/a', 'solved m/a.yaml:6']);
  });
});

describe('two files', () => {
  test('may exchange an object without a gap, in one look', () => {
    const talk = begun({ 'b.yaml': service('a') });
    expect(talk.say(10, file('b.yaml', undefined), file('a.yaml', service('a')))).toEqual([]);
    expect(talk.wait(1000)).toEqual([]);
    expect(talk.port('a')).toBe(80);
    expect(talk.directory.manifest(SERVICE, 'default/a')?.place('spec')).toBe('m/a.yaml:4');
  });

  test('may move one of several objects', () => {
    const talk = begun({ 'b.yaml': `${service('a')}---\n${service('b')}` });
    expect(talk.say(10, file('b.yaml', service('b')), file('a.yaml', service('a', 81)))).toEqual([
      'put a',
    ]);
    expect(talk.wait(1000)).toEqual([]);
    expect(talk.port('a')).toBe(81);
  });

  test('may not define the same object: the one that was first stays', () => {
    const talk = begun({ 'b.yaml': service('a') });
    expect(talk.say(10, file('a.yaml', service('a', 81)))).toEqual([
      'problem m/a.yaml:1  Service default/a is already defined at m/b.yaml:1; remove one',
    ]);
    expect(talk.port('a')).toBe(80);
    expect(talk.say(20, file('b.yaml', service('a', 82)))).toEqual(['put a']);
    talk.say(30, file('b.yaml', undefined));
    expect(talk.wait(1000)).toEqual(['put a', 'solved m/a.yaml:1']);
    expect(talk.port('a')).toBe(81);
  });
});

describe('status', () => {
  const name = 'service.default.a.yaml';
  const text = writeOverlay(SERVICE, 'default/a', {
    status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } },
    annotations: { 'example.org/a': 'b' },
  });

  test('is laid over the object, and taken away with it', () => {
    const talk = begun({ 'a.yaml': service('a') });
    expect(talk.say(10, overlay(name, text))).toEqual(['put a']);
    expect(talk.directory.object(SERVICE, 'default/a')).toMatchObject({
      metadata: { annotations: { 'example.org/a': 'b' } },
      status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } },
    });
    talk.say(20, file('a.yaml', undefined));
    expect(talk.wait(1000)).toEqual(['delete default/a', `orphan ${name}`]);
  });

  test('is not given up while a broken file may hold its object', () => {
    const talk = new Talk();
    talk.say(0, file('a.yaml', 'kind: ['), overlay(name, text));
    expect(talk.say(0, { type: 'begun' })).toEqual(['remnant default/a held']);
    expect(talk.directory.remnants(SERVICE)).toEqual([
      { type: 'remnant', key: 'default/a', status: { loadBalancer: expect.anything() } },
    ]);
    expect(talk.say(10, file('a.yaml', service('a')))).toEqual([
      'put a',
      'remnant default/a over',
      expect.stringContaining('solved'),
    ]);
  });

  test('of an object that moves into a broken file is told before the object goes', () => {
    const talk = begun({ 'a.yaml': service('a'), 'b.yaml': 'kind: [' });
    talk.say(10, overlay(name, text));
    talk.say(20, file('a.yaml', undefined));
    expect(talk.wait(1000)).toEqual(['remnant default/a held', 'delete default/a']);
    talk.say(1000, file('b.yaml', undefined));
    expect(talk.wait(2000)).toEqual([
      'remnant default/a over',
      expect.stringContaining('solved'),
      `orphan ${name}`,
    ]);
  });

  test.each([
    ['of another object', 'service.default.b.yaml', text],
    ['in another shape', name, text.replace('ingress:', 'ingress: 5 #').replace(/^ *- .*\n/m, '')],
    ['with annotations that are no text', name, text.replace('example.org/a: b', 'c: 5')],
    ['of nobody', name, 'status: {}\n'],
  ])('%s is no status', (_, file_, content) => {
    const talk = begun({ 'a.yaml': service('a') });
    expect(talk.say(10, overlay(file_, content))).toEqual([
      expect.stringContaining('not a status file'),
    ]);
    expect(talk.directory.object(SERVICE, 'default/a')).not.toHaveProperty('status');
  });

  test('that cannot be read is reported, and the last good one stays', () => {
    const talk = begun({ 'a.yaml': service('a') });
    talk.say(10, overlay(name, text));
    expect(talk.say(20, overlay(name, '- nonsense: ['))).toEqual([
      `problem m/status/${name}  not a status file: remove it, and it is written anew`,
    ]);
    expect(talk.directory.object(SERVICE, 'default/a')).toHaveProperty('status');
  });
});

test('what cannot be read is reported and changes nothing', () => {
  const talk = begun({ 'a.yaml': service('a') });
  const message = 'cannot be read (EACCES): check its permissions';
  expect(talk.say(10, { type: 'unreadable', name: 'a.yaml', message })).toEqual([
    `problem m/a.yaml  ${message}`,
  ]);
  expect(talk.say(20, { type: 'unreadable', name: 'a.yaml', message: undefined })).toEqual([
    'solved m/a.yaml',
  ]);
});

test('what vanished and then cannot be read is not lost', () => {
  const talk = begun({ 'a.yaml': service('a') });
  talk.say(10, file('a.yaml', undefined));
  talk.say(20, { type: 'unreadable', name: 'a.yaml', message: 'cannot be read (ELOOP)' });
  expect(talk.wait(1000)).toEqual([]);
  expect(talk.port('a')).toBe(80);
  talk.say(1010, { type: 'unreadable', name: 'a.yaml', message: undefined });
  talk.say(1010, file('a.yaml', undefined));
  expect(talk.wait(2000)).toEqual(['delete default/a']);
});
