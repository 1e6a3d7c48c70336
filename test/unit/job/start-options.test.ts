import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { resolveStart, type ResolvedStart, type StartOptions } from '../../../src/job/start-options.ts';
import { prepareJob } from '../../../src/job/prepare-job.ts';
import { identityOf } from '../../../src/job/job-identity.ts';
import { FolderStore } from '../../../src/store/folder-store.ts';
import { inputFiles } from '../../../src/store/job-files.ts';
import { TempFolder } from '../../support/temp-folder.ts';

let folder: TempFolder;
let store: FolderStore;
beforeEach(() => {
  folder = new TempFolder();
  store = new FolderStore(folder.at('store'));
  return () => folder[Symbol.dispose]();
});

const template = { prompt: 'Classify: {{ text }}', model: 'gpt-5-mini' };

function file(name: string, text: string): string {
  const path = folder.at(name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

const start = async (options: object): Promise<ResolvedStart> =>
  await resolveStart(options as StartOptions, store);

const storedRows = ({ spec }: ResolvedStart): unknown[] =>
  readFileSync(folder.at('store', inputFiles.rows(spec.input.sha256)), 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as unknown);

async function* later(rows: readonly object[]): AsyncGenerator<object> {
  for (const row of rows) yield await Promise.resolve(row);
}

describe('with a prompt', () => {
  test('a table is stored as rows, and the job refers to them', async () => {
    const input = file('reviews.csv', 'id,text\n1,good\n2,bad\n');
    const made = await start({ input, ...template, endpoint: '/v1/responses', attempts: 2 });
    expect(made.spec).toMatchObject({
      jobId: expect.stringMatching(/^reviews-[0-9a-f]{12}$/) as string,
      input: { path: input, stored: true, bytes: made.stored!.bytes },
      model: null,
      endpoint: null,
      attempts: 2,
      template: { sha256: expect.any(String) as string },
    });
    expect(made.spec.template).not.toHaveProperty('imageFolder');
    expect(made.template).toMatchObject({ endpoint: '/v1/responses', model: 'gpt-5-mini' });
    expect(storedRows(made)).toEqual([
      { id: '1', text: 'good' },
      { id: '2', text: 'bad' },
    ]);
  });

  test('rows, queries, tables and several files with the same rows are the same job', async () => {
    const rows = [{ text: 'a' }, { text: 'b' }];
    const [a, b] = [file('a.csv', 'text\na\n'), file('b.csv', 'text\nb\n')];
    const made = [
      await start({ rows, ...template }),
      await start({ rows: later(rows), ...template }),
      await start({ sql: "select unnest(['a', 'b']) as text", ...template }),
      await start({ input: [a, b], ...template }),
      await start({ input: folder.at('*.csv'), ...template }),
    ];
    expect(new Set(made.map(({ spec }) => identityOf(spec))).size).toBe(1);
    expect(made.map(({ spec }) => spec.jobId.replace(/-[0-9a-f]{12}$/, ''))).toEqual([
      'rows',
      'rows',
      'query',
      'a',
      expect.any(String),
    ]);
    const others = [
      { ...template, prompt: '{{ text }}' },
      { ...template, attempts: 5 },
    ];
    for (const other of others)
      expect(identityOf((await start({ rows, ...other })).spec)).not.toBe(identityOf(made[0]!.spec));
    const fresh = await resolveStart({ rows, ...template }, store, { fresh: true });
    expect(fresh.spec.jobId).toMatch(/^rows-[0-9a-f]{12}-[0-9a-f]{6}$/);
  });

  test('documents are cut into chunks', async () => {
    file('docs/a.md', 'One sentence here. Another one there.');
    file('docs/sub/b.md', 'Short.');
    const made = await start({ input: folder.at('docs/**/*.md'), chunkTokens: 5, embed: true, model: 'm' });
    expect(made.template).toMatchObject({ endpoint: '/v1/embeddings', prompt: '{{ text }}' });
    expect(storedRows(made)).toEqual([
      { path: folder.at('docs/a.md'), chunk: 1, text: 'One sentence here.' },
      { path: folder.at('docs/a.md'), chunk: 2, text: 'Another one there.' },
      { path: folder.at('docs/sub/b.md'), chunk: 1, text: 'Short.' },
    ]);
    expect(made.spec.jobId).toMatch(/^docs-/);
  });

  test('an unreadable document is refused, or a row without text with skipBadLines', async () => {
    file('docs/a.md', 'good');
    writeFileSync(folder.at('docs/b.md'), Buffer.from([0xff, 0xfe, 0x00]));
    const options = { input: folder.at('docs/*.md'), ...template };
    await expect(start(options)).rejects.toThrow(/b\.md is not valid UTF-8/);
    const made = await start({ ...options, skipBadLines: true });
    expect(made.stored!.unreadable).toMatchObject([{ reason: 'is not valid UTF-8' }]);
    expect(storedRows(made)).toHaveLength(2);
  });

  test('standard input is a table that the caller passes', async () => {
    async function* stdin(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('text\nfrom a pipe\n');
    }
    const made = await resolveStart({ input: '-', ...template }, store, { stdin: stdin() });
    expect(made.spec.input.path).toBe('standard input');
    expect(made.spec.jobId).toMatch(/^stdin-/);
    await expect(start({ input: '-', ...template })).rejects.toThrow('only the command line reads: use rows');
  });

  test('images are relative to the folder of a file, else to the working directory', async () => {
    const images = { images: { column: 'text' } };
    const one = await start({ input: file('in/a.csv', 'text\na\n'), ...template, ...images });
    expect(one.spec.template!.imageFolder).toBe(folder.at('in'));
    const other = await start({ rows: [{ text: 'a' }], ...template, ...images });
    expect(other.spec.template!.imageFolder).toBe(process.cwd());
  });

  test('a column that the rows lack is refused by its name, its place and the nearest one', async () => {
    const rows = [{ review: 'x', n: 1 }];
    await expect(start({ rows, prompt: 'a\n b {{ revew }}', model: 'm' })).rejects.toMatchObject({
      code: 'bad_input',
      message: 'the iterable has no column "revew", which is used at prompt:2:7: did you mean "review"?',
      details: { column: 'revew' },
    });
    await expect(start({ rows, prompt: '{{ review }}', model: { column: 'zzz' } })).rejects.toThrow(
      'the iterable has no column "zzz", which is used at option model: use one of its columns (review, n).',
    );
  });
});

test('texts that use no column are refused, before the source is read, unless there are images', async () => {
  const rows = [{ text: 'x', m: 'gpt-5-mini', picture: 'https://a.b/c.png' }];
  const same = { rows, prompt: 'my prompts/sentimnt.md', system: 'Be short.', model: { column: 'm' } };
  await expect(start({ ...same, id: { column: 'text' } })).rejects.toMatchObject({
    code: 'bad_option',
    message:
      'Option prompt uses no column, so every row would get the same request: add one as in {{ review }}, or check the path.',
  });
  expect(existsSync(folder.at('store'))).toBe(false);
  await start({ ...same, system: 'About {{ text }}' });
  await start({ ...same, images: { column: 'picture' } });
});

describe('without a prompt', () => {
  const line = '{"body":{"model":"gpt-5-mini","messages":[]}}\n';

  test('a file of requests is the job that it always was', async () => {
    const input = file('in.jsonl', line);
    const options = { input, model: 'm', endpoint: '/v1/responses', attempts: 2 };
    const made = await start(options);
    expect(made).toEqual({ spec: await prepareJob(options), template: null, stored: null });
    expect(existsSync(folder.at('store'))).toBe(false);
  });

  test('requests from code are stored, and are the same job as a file of them', async () => {
    const requests = [JSON.parse(line) as object];
    const made = await start({ requests: later(requests), model: 'm' });
    expect(made).toMatchObject({ template: null, spec: { model: 'm', input: { stored: true } } });
    expect(identityOf(made.spec)).toBe(
      identityOf(await prepareJob({ input: file('in.jsonl', line), model: 'm' })),
    );
    rmSync(folder.at('store'), { recursive: true });
    expect((await start({ requests, model: 'm' })).spec).toEqual(made.spec);
    expect(storedRows(made)).toEqual(requests);
  });

  test.each<[string, string, object]>([
    ['a table', '/r.csv is a table: add --prompt, in code prompt, such as', { input: '/r.csv' }],
    ['a packed table', '/r.parquet is a table', { input: '/r.parquet' }],
    ['a pattern', '*.jsonl is a pattern', { input: '/none/*.jsonl' }],
    ['files', 'Option input names several files', { input: ['a.jsonl', 'b.jsonl'] }],
    ['rows', 'Option rows needs a prompt', { rows: [{}] }],
    ['a query', 'Option sql needs a prompt', { sql: 'select 1' }],
    ['a column as a model', 'Option model names a column', { input: 'a', model: { column: 'm' } }],
    ['chunks', 'Option chunkTokens needs a prompt', { input: 'a', chunkTokens: 5 }],
    ['a system message', 'Option system needs a prompt', { input: 'a', system: 'x' }],
  ])('%s is refused', async (_, message, options) => {
    await expect(start(options)).rejects.toMatchObject({
      code: 'bad_option',
      message: expect.stringContaining(message) as string,
    });
  });
});

describe('refused are', () => {
  test.each<[string, string, object]>([
    ['no source', 'Option input must be the path of a file, or a list of paths.', {}],
    ['an empty list', 'Option input must be the path', { input: [] }],
    ['a number', 'Option input must be the path', { input: 5 }],
    ['two sources', 'Option sql cannot be combined with input', { input: 'a', sql: 'select 1' }],
    ['an empty query', 'Option sql must be a SELECT statement.', { sql: ' ' }],
    ['rows that are none', 'Option rows must be an iterable', { rows: { a: 1 } }],
    ['a text as rows', 'Option rows must be an iterable', { rows: 'abc' }],
    ['ready requests with a prompt', 'Option requests are ready', { requests: [], prompt: 'x', model: 'm' }],
    [
      'an unknown format',
      'Option format must be one of csv, tsv',
      { input: 'a', format: 'xls', ...template },
    ],
    ['a format of rows', 'Option format is for files only.', { rows: [], format: 'csv', ...template }],
    ['chunks of a query', 'Option chunkTokens is for files only.', { sql: 'x', chunkTokens: 5, ...template }],
    [
      'no tokens',
      'Option chunkTokens must be a whole number from 1',
      { input: 'a', chunkTokens: 0, ...template },
    ],
    ['much overlap', 'from 0 to 2, half of', { input: 'a', chunkTokens: 5, chunkOverlap: 3, ...template }],
    ['overlap of nothing', 'Option chunkOverlap needs', { input: 'a', chunkOverlap: 3, ...template }],
    ['chunks of a table', 'is for documents', { input: 'a', chunkTokens: 5, format: 'csv', ...template }],
    ['standard input among files', 'cannot be standard input and files', { input: ['-', 'a'], ...template }],
    [
      'another endpoint',
      'Option embed is for /v1/embeddings',
      { input: 'a', embed: true, endpoint: '/v1/responses' },
    ],
    [
      'a misspelt option',
      'Option chunkToken does not exist: did you mean chunkTokens?',
      { input: 'a', chunkToken: 1 },
    ],
  ])('%s', async (_, message, options) => {
    await expect(start(options)).rejects.toMatchObject({
      code: 'bad_option',
      message: expect.stringContaining(message) as string,
    });
  });
});

test('rows that throw are not stored, and leave nothing behind', async () => {
  async function* broken(): AsyncGenerator<object> {
    yield { text: 'a' };
    throw new Error('the connection is lost');
  }
  await expect(start({ rows: broken(), ...template })).rejects.toThrow('the connection is lost');
  expect(existsSync(join(folder.at('store'), inputFiles.building))).toBe(true);
  expect(readdirSync(folder.at('store', inputFiles.building))).toEqual([]);
  expect(readdirSync(folder.at('store', 'inputs'))).toEqual(['building']);
  expect(existsSync(folder.at('store', 'jobs'))).toBe(false);
});
