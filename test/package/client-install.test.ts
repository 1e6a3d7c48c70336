/** An install without the optional packages, `npm install --omit=optional`, is a client; made here of the packages of this one. */
import { execFile } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stopEmbeddedServer } from '../../src/temporal/index.ts';
import { TempFolder } from '../support/temp-folder.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = new TempFolder();
const installed = folder.at('node_modules', 'durable-batch');

const home = folder.at('home');
const env = { ...process.env, DURABLE_BATCH_HOME: home, OPENAI_API_KEY: 'test' };

interface Locked {
  readonly dependencies?: Record<string, string>;
}

/** Adds where the packages are that a package needs, by the lock file. */
function addNeeded(path: string, packages: Readonly<Record<string, Locked>>, found: Set<string>): void {
  for (const name of Object.keys(packages[path]!.dependencies ?? {})) {
    const needed = placesFor(name, path).find((place) => place in packages)!;
    if (found.has(needed)) continue;
    found.add(needed);
    addNeeded(needed, packages, found);
  }
}

/** Where Node looks for a package, from the folder of one that needs it upwards. */
function placesFor(name: string, path: string): string[] {
  const place = join(path, 'node_modules', name);
  if (path === '') return [place];
  return [place, ...placesFor(name, path.slice(0, Math.max(0, path.lastIndexOf('/node_modules/'))))];
}

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function node(...args: string[]): Promise<Ended> {
  return await new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: folder.path, env }, (error, out, err) =>
      resolve({ code: Number(error?.code ?? 0), out, err }),
    );
  });
}

const command = async (...args: string[]): Promise<Ended> =>
  await node(join(installed, 'dist', 'cli', 'main.js'), ...args);

beforeAll(() => {
  const lock = readFileSync(join(root, 'package-lock.json'), 'utf8');
  const { packages } = JSON.parse(lock) as { packages: Record<string, Locked> };
  const needed = new Set<string>();
  addNeeded('', packages, needed);
  for (const path of needed) {
    // What lies nested in it is needed by itself, or is not.
    const isNested = (from: string): boolean => from.slice(join(root, path).length).includes('node_modules');
    cpSync(join(root, path), folder.at(path), { recursive: true, filter: (from) => !isNested(from) });
  }
  for (const part of ['package.json', 'dist'])
    cpSync(join(root, part), join(installed, part), { recursive: true });
  writeFileSync(folder.at('package.json'), '{"type":"module"}');
  writeFileSync(folder.at('input.jsonl'), '{"body":{"model":"gpt-5-mini","messages":[]}}\n');
});

afterAll(() => {
  folder[Symbol.dispose]();
});

test.each(['durable-batch', 'durable-batch/client'])(
  '%s is loaded, and its types are whole',
  async (name) => {
    const app = folder.at('app.ts');
    writeFileSync(
      app,
      `import { BatchClient } from '${name}';\nexport const connect: () => Promise<BatchClient> = () => BatchClient.connect();\n`,
    );
    expect(
      await node('-e', `import('${name}').then(({ BatchClient }) => console.log(BatchClient.name))`),
    ).toEqual({
      code: 0,
      out: 'BatchClient\n',
      err: '',
    });
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    const options = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2022', '--types', 'node'];
    const { out } = await node(tsc, ...options, app);
    // Temporal's own declarations need those of `ms`, which they do not bring.
    expect(
      out.split('\n').filter((line) => line.includes('error TS') && !line.includes("module 'ms'")),
    ).toEqual([]);
  },
);

test('starts a job and sees it, by the command line and from code', async () => {
  try {
    const started = await command('start', 'input.jsonl', '--job', 'one', '--json');
    expect(started).toMatchObject({ code: 0, out: '{"job_id":"one"}\n' });
    expect((await command('list')).out).toContain('one ');
    const look = `
      import { BatchClient } from 'durable-batch/client';
      const client = await BatchClient.connect();
      console.log((await client.job('one').status()).status);
      await client.close();`;
    expect(await node('--input-type=module', '-e', look)).toMatchObject({ code: 0, out: 'RUNNING\n' });
    expect(
      (await command('run', 'input.jsonl', '--out', 'out', '--no-worker', '--model', 'other', '--job', 'one'))
        .err,
    ).toContain('Job one exists');
  } finally {
    await stopEmbeddedServer({ home });
  }
});

test('commands that need a worker say in a sentence what is missing', async () => {
  const missing = {
    code: 2,
    err: expect.stringMatching(/^durable-batch: This install has no worker: .*\n$/) as string,
  };
  expect(await command('worker')).toMatchObject(missing);
  expect(await command('run', 'input.jsonl', '--out', 'out')).toMatchObject(missing);
});

test('reading a table says in a sentence that DuckDB is missing', async () => {
  writeFileSync(folder.at('table.csv'), 'id\n1\n');
  const module = (...path: string[]): string =>
    JSON.stringify(pathToFileURL(join(installed, 'dist', ...path)).href);
  const read = `
    import { materializeRows } from ${module('input', 'table', 'materialize-rows.js')};
    import { openStore } from ${module('store', 'open-store.js')};
    const error = await materializeRows({ kind: 'paths', paths: ['table.csv'] }, openStore('store')).catch((error) => error);
    console.log(error.code, error.message);`;
  expect(await node('--input-type=module', '-e', read)).toEqual({
    code: 0,
    out: 'bad_input Tables are read and written by DuckDB, which is not installed here: run npm install @duckdb/node-api, or use ready requests, one JSON object a line, and a folder for the results.\n',
    err: '',
  });
});

test('documents need neither DuckDB nor further packages, nor does a job file; a table asks for DuckDB', async () => {
  writeFileSync(folder.at('note.md'), 'A note.');
  writeFileSync(folder.at('note.job.yaml'), 'input: note.md\nprompt: "{{ text }}"\nmodel: m\n');
  expect(await command('start', 'note.job.yaml', '--dry-run')).toMatchObject({
    code: 0,
    out: expect.stringContaining('"content":"A note."') as string,
    err: '',
  });
  writeFileSync(folder.at('table.csv'), 'id\n1\n');
  expect(
    await command('start', 'table.csv', '--prompt', '{{ id }}', '--model', 'm', '--dry-run'),
  ).toMatchObject({
    code: 2,
    err: expect.stringMatching(
      /^durable-batch: Tables are read and written by DuckDB, which is not installed here: .*\n$/,
    ) as string,
  });
});

test('the one file of client commands has nothing that only rows and job files need', () => {
  const program = readFileSync(join(installed, 'dist', 'cli', 'clients', 'program.cjs'), 'utf8');
  for (const name of ['liquidjs', 'ZodError', 'tinyglobby', 'UndefinedVariableError', 'LineCounter'])
    expect(program.includes(name), name).toBe(false);
});
