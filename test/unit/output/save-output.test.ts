import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { previewTable } from '../../../src/output/preview-table.ts';
import { checkFailedPath, saveFailed } from '../../../src/output/save-failed.ts';
import { checkOutput, checkOutputPlace, saveOutput, savePartial } from '../../../src/output/save-output.ts';
import { jobFiles } from '../../../src/store/job-files.ts';
import { chatBody, embeddingBody, FinishedJob, readBack, typesOf } from '../../support/finished-job.ts';
import { TempFolder } from '../../support/temp-folder.ts';

const documents = new TempFolder();
afterAll(() => documents[Symbol.dispose]());

const model = 'gpt-5-mini';
const none = (async function* (): AsyncGenerator<string> {})();
const objects = (...rows: object[]): { kind: 'objects'; objects: object[] } => ({
  kind: 'objects',
  objects: rows,
});

const everyType = {
  type: 'object',
  properties: {
    label: { type: 'string', enum: ['good', 'bad'] },
    score: { type: 'number' },
    count: { type: ['integer', 'null'] },
    sure: { type: 'boolean' },
    words: { type: 'array', items: { type: 'string' } },
    place: {
      type: 'object',
      properties: { city: { type: 'string' }, zip: { anyOf: [{ type: 'integer' }, { type: 'null' }] } },
      required: ['city', 'zip'],
      additionalProperties: false,
    },
    either: { anyOf: [{ type: 'string' }, { type: 'number' }] },
    status: { type: 'string' },
  },
  required: ['label', 'score', 'count', 'sure', 'words', 'place', 'either', 'status'],
  additionalProperties: false,
};

const answered = (text: string | null): { response: object } => ({ response: chatBody(text) });
const answer = `{
  "label": "good", "score": 1, "count": 9007199254740993, "sure": true, "words": ["ä\u2028", "\\ud83d\\ude00 \\ud83d"],
  "place": {"city": "Köln", "zip": null}, "either": 12345678901234567890, "status": "open"}`;

test('a table has the columns of the input and the properties of the answers, with their types', async () => {
  using job = await FinishedJob.overRows(
    objects(
      { id: 9_007_199_254_740_991, text: 'first', more: { a: [1] } },
      { id: 2, text: '', more: null },
      { id: 3, text: 'lone \ud800 and\nline', more: 'x' },
      { id: 4, text: null, more: 1 },
    ),
    { prompt: '{{ text }}', model, answer: everyType },
    [answered(answer), { status: 'failed' }, answered('no JSON'), answered('{"label":1,"count":"x"}')],
  );
  const path = job.at('out.parquet');
  await saveOutput(job.store, job.spec.jobId, path);
  expect(await typesOf(path)).toEqual({
    id: 'BIGINT',
    text: 'VARCHAR',
    more: 'JSON',
    label: 'VARCHAR',
    score: 'DOUBLE',
    count: 'BIGINT',
    sure: 'BOOLEAN',
    words: 'VARCHAR[]',
    place: 'STRUCT(city VARCHAR, zip BIGINT)',
    either: 'JSON',
    answer_status: 'VARCHAR',
    status: 'VARCHAR',
    error: 'VARCHAR',
    input_tokens: 'BIGINT',
    output_tokens: 'BIGINT',
  });
  const rows = await readBack(path);
  expect(rows.map(({ id, text, status }) => [id, text, status])).toEqual([
    ['9007199254740991', 'first', 'answered'],
    ['2', '', 'failed'],
    ['3', 'lone \ufffd and\nline', 'answered'],
    ['4', null, 'answered'],
  ]);
  expect(rows[0]).toMatchObject({
    label: 'good',
    score: 1,
    count: '9007199254740993',
    sure: true,
    words: ['ä\u2028', '😀 \ufffd'],
    place: { city: 'Köln', zip: null },
    either: '12345678901234567890',
    answer_status: 'open',
    input_tokens: '9',
    output_tokens: '3',
    error: null,
  });
  expect(rows[1]).toMatchObject({ label: null, error: 'server_error: it failed', input_tokens: null });
  expect(rows[2]).toMatchObject({
    label: null,
    error: expect.stringContaining('not a JSON object') as string,
  });
  expect(rows[3]).toMatchObject({ label: '1', count: null, error: null });
});

test('CSV and JSON lines have the same values; nested ones are JSON in CSV', async () => {
  using job = await FinishedJob.overRows(
    objects({ id: 1, text: '' }, { id: 2, text: null }, { id: 3, text: 'a,"b"\nc' }),
    { prompt: '{{ text }}', model, answer: everyType },
    [answered(answer), { status: 'cancelled' }, answered(answer)],
  );
  await saveOutput(job.store, job.spec.jobId, job.at('out.csv'), { keep: ['text'] });
  await saveOutput(job.store, job.spec.jobId, job.at('out.jsonl'), { keep: ['text', 'id'] });
  const csv = await readBack(
    job.at('out.csv'),
    'FROM read_csv(FILE, all_varchar = true, allow_quoted_nulls = false)',
  );
  expect(csv.map(({ text, status }) => [text, status])).toEqual([
    ['', 'answered'],
    [null, 'cancelled'],
    ['a,"b"\nc', 'answered'],
  ]);
  expect(csv[0]).toMatchObject({ words: '["ä\u2028","😀 \ufffd"]', place: '{"city":"Köln","zip":null}' });
  const lines = readFileSync(job.at('out.jsonl'), 'utf8').split('\n');
  expect(lines).toHaveLength(4);
  expect(JSON.parse(lines[0]!)).toMatchObject({ text: '', id: 1, place: { city: 'Köln', zip: null } });
  expect(Object.keys(JSON.parse(lines[1]!) as object).slice(0, 3)).toEqual(['text', 'id', 'label']);
});

test('vectors are lists of 32-bit floats, and a matrix for NumPy', async () => {
  const a = [0.1, -2, 3e-9];
  const b = [1, 2, 3];
  using job = await FinishedJob.overRows(
    { kind: 'query', sql: "SELECT 'p' || i AS path FROM range(4) t(i)" },
    { prompt: '{{ path }}', model, endpoint: '/v1/embeddings' },
    [
      { status: 'failed' },
      { response: embeddingBody(a) },
      { response: embeddingBody(b) },
      { status: 'failed' },
    ],
  );
  await saveOutput(job.store, job.spec.jobId, job.at('vectors.parquet'));
  await saveOutput(job.store, job.spec.jobId, job.at('vectors.npy'));
  expect(await typesOf(job.at('vectors.parquet'))).toMatchObject({ path: 'VARCHAR', embedding: 'FLOAT[]' });
  const rows = await readBack(job.at('vectors.parquet'));
  expect(rows.map(({ path, embedding }) => [path, embedding])).toEqual([
    ['p0', null],
    ['p1', a.map(Math.fround)],
    ['p2', b],
    ['p3', null],
  ]);
  const bytes = readFileSync(job.at('vectors.npy'));
  expect(bytes.length).toBe(128 + 4 * 3 * 4);
  expect(bytes.toString('latin1', 0, 8)).toBe('\x93NUMPY\x01\x00');
  expect(bytes.toString('latin1', 10, 128).trimEnd()).toBe(
    "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 3), }",
  );
  const floats = Array.from({ length: 12 }, (_, i) => bytes.readFloatLE(128 + 4 * i));
  expect(floats).toEqual([NaN, NaN, NaN, ...a.map(Math.fround), ...b, NaN, NaN, NaN]);
});

test('ready requests have their custom_id, and their answers by endpoint', async () => {
  using chat = FinishedJob.overRequests('/v1/chat/completions', [
    { line: 1, id: 'a', ...answered('ä "quoted"\n') },
    { line: 7, id: 'b', ...answered(null) },
  ]);
  await saveOutput(chat.store, chat.spec.jobId, chat.at('out.parquet'));
  expect(await readBack(chat.at('out.parquet'))).toEqual([
    {
      custom_id: 'a',
      answer: 'ä "quoted"\n',
      status: 'answered',
      error: null,
      input_tokens: '9',
      output_tokens: '3',
    },
    expect.objectContaining({ custom_id: 'b', answer: null, error: expect.any(String) as string }),
  ]);
  using moderation = FinishedJob.overRequests('/v1/moderations', [
    { response: { results: [{ flagged: true }] } },
  ]);
  await saveOutput(moderation.store, moderation.spec.jobId, moderation.at('out.parquet'), { keep: [] });
  const path = moderation.at('out.parquet');
  expect(await typesOf(path)).toMatchObject({ answer: 'JSON' });
  expect(await readBack(path, "SELECT answer->>'$.results[0].flagged' AS flagged FROM FILE")).toEqual([
    { flagged: 'true' },
  ]);
  await expect(
    saveOutput(moderation.store, moderation.spec.jobId, moderation.at('v.npy')),
  ).rejects.toMatchObject({
    code: 'bad_output',
    message: expect.stringContaining('no answer is an embedding') as string,
  });
  expect(readdirSync(moderation.folder.path).sort()).toEqual([
    '.out.parquet.durable-batch-job',
    'out.parquet',
    'store',
  ]);
});

test('a column of the input with the name of another column is refused, and so is one that does not exist', async () => {
  using job = await FinishedJob.overRows(
    objects({ Status: 1, label: 2, text: 'x' }),
    { prompt: '{{ text }}', model, answer: everyType },
    [answered(answer)],
  );
  const check = async (...keep: string[]): Promise<void> =>
    await checkOutput(job.store, job.spec, job.at('out.csv'), { keep });
  await expect(checkOutput(job.store, job.spec, job.at('out.csv'))).rejects.toMatchObject({
    code: 'bad_option',
    message:
      'the iterable: column Status has the name of another column of the results: leave it out with --keep label,text, or rename it.',
  });
  await expect(check('label')).rejects.toMatchObject({ details: { option: 'keep', column: 'label' } });
  await expect(check('text', 'txt')).rejects.toMatchObject({
    message: 'Option --keep names the column txt, which the input does not have: it has Status, label, text.',
  });
  await expect(check('text', 'text')).rejects.toMatchObject({ code: 'bad_option' });
  await check('text');
  await check();
  const save = async (): Promise<void> =>
    await saveOutput(job.store, job.spec.jobId, job.at('out.csv'), { keep: ['txt'] });
  await expect(save()).rejects.toMatchObject({ code: 'bad_option', details: { option: 'keep' } });
  expect(readdirSync(job.folder.path)).toEqual(['store']);
  await expect(checkOutput(job.store, job.spec, job.at('out'), { keep: [] })).rejects.toMatchObject({
    code: 'bad_option',
  });
  const chat = { endpoint: '/v1/chat/completions' };
  await expect(checkOutput(job.store, job.spec, job.at('v.npy'), {}, chat)).rejects.toMatchObject({
    code: 'bad_option',
  });
});

test('a file of another job, one that no job wrote, or one that was changed is not replaced; that of the same job is', async () => {
  using job = FinishedJob.overRequests('/v1/chat/completions', [answered('one')]);
  const path = job.at('out.jsonl');
  const save = async (): Promise<void> => await saveOutput(job.store, job.spec.jobId, path);
  const refused = (what: string): object => ({
    code: 'bad_output',
    message: expect.stringContaining(what) as string,
  });
  writeFileSync(path, 'mine');
  await expect(save()).rejects.toMatchObject(refused('exists, and is not the file that a job wrote there'));
  expect(readFileSync(path, 'utf8')).toBe('mine');
  rmSync(path);
  await save();
  const first = readFileSync(path, 'utf8');
  await save();
  expect(readFileSync(path, 'utf8')).toBe(first);
  const other = { ...job.spec, jobId: 'other' };
  await expect(checkOutput(job.store, other, path)).rejects.toMatchObject(
    refused(`holds the results of job ${job.spec.jobId}`),
  );
  writeFileSync(path, 'changed since');
  await expect(save()).rejects.toMatchObject(refused('is not the file'));
});

test('a file that was changed without another size is not replaced; one in a folder that was moved is', async () => {
  using job = FinishedJob.overRequests('/v1/chat/completions', [answered('one')]);
  const save = async (path: string): Promise<void> => await saveOutput(job.store, job.spec.jobId, path);
  mkdirSync(job.at('here'));
  await save(job.at('here', 'out.jsonl'));
  renameSync(job.at('here'), job.at('there'));
  const path = job.at('there', 'out.jsonl');
  await save(path);
  await delay(5); // a file system may keep times in milliseconds
  const edited = readFileSync(path, 'utf8').replace('one', 'two');
  writeFileSync(path, edited);
  await expect(save(path)).rejects.toMatchObject({
    message: expect.stringContaining('is not the file that a job wrote there') as string,
  });
  expect(readFileSync(path, 'utf8')).toBe(edited);
});

test('the results of a job and its failed lines do not replace each other', async () => {
  using job = await FinishedJob.overRows(objects({ n: 1 }, { n: 2 }), { prompt: '{{ n }}', model }, [
    answered('x'),
    { status: 'failed' },
  ]);
  const { store, spec } = job;
  const [results, failed] = [job.at('results.csv'), job.at('failed.csv')];
  await saveOutput(store, spec.jobId, results);
  await saveFailed(store, spec.jobId, none, failed);
  const refused = (what: string): object => ({
    code: 'bad_output',
    message: expect.stringContaining(`holds the ${what} of job ${spec.jobId}`) as string,
  });
  await expect(saveOutput(store, spec.jobId, failed)).rejects.toMatchObject(refused('failed lines'));
  await expect(saveFailed(store, spec.jobId, none, results)).rejects.toMatchObject(refused('results'));
  await expect(checkFailedPath(results, spec.jobId, null)).rejects.toMatchObject(refused('results'));
  await saveOutput(store, spec.jobId, results);
  await saveFailed(store, spec.jobId, none, failed);
});

test('failed lines of ready requests are written, and those that are no requests are counted', async () => {
  using job = FinishedJob.overRequests('/v1/chat/completions', [{ status: 'failed' }, { status: 'failed' }]);
  const requests = (async function* (): AsyncGenerator<string, number, undefined> {
    yield '{"body":{}}';
    return 1;
  })();
  expect(await saveFailed(job.store, job.spec.jobId, requests, job.at('failed.jsonl'))).toBe(1);
  expect(readFileSync(job.at('failed.jsonl'), 'utf8')).toBe('{"body":{}}\n');
  await expect(checkFailedPath(job.at('failed.csv'), job.spec.jobId, job.spec)).rejects.toMatchObject({
    code: 'bad_option',
    message: 'Option --out must end in .jsonl for the failed lines of an input of ready requests.',
  });
});

test('what needs no job is checked before there is one', async () => {
  using folder = new TempFolder();
  const code = (value: string): object => ({ code: value });
  await expect(checkOutputPlace(folder.at('no', 'out.csv'))).rejects.toMatchObject(code('bad_output'));
  await expect(checkOutputPlace('/proc/x/')).rejects.toMatchObject(code('bad_output'));
  await expect(checkOutputPlace(folder.at('out'), { keep: [] })).rejects.toMatchObject(code('bad_option'));
  await expect(checkOutputPlace(folder.at('v.npy'), { keep: [] })).rejects.toMatchObject(code('bad_option'));
  await expect(checkFailedPath(folder.at('new', 'out'), 'job', null)).rejects.toMatchObject(
    code('bad_option'),
  );
  expect(readdirSync(folder.path)).toEqual([]);
  await checkOutputPlace(folder.at('out.csv'), { keep: [] });
});

test('a job without shards has the columns of its endpoint, or of its kept answers', async () => {
  using job = FinishedJob.overRequests('/v1/embeddings', [
    { status: 'failed' },
    { response: embeddingBody([1, 2]) },
  ]);
  const { store, spec } = job;
  const columns = async (): Promise<string[]> => (await previewTable(store, spec.jobId, 5)).columns.slice();
  const embedding = ['custom_id', 'embedding', 'status', 'error'];
  expect(await columns()).toEqual(embedding);
  await store.replace(jobFiles.round(spec.jobId, 1), JSON.stringify({ shards: 0, lines: 0, rejected: 0 }));
  expect(await columns()).toEqual(embedding);
  await store.replace(jobFiles.spec(spec.jobId), JSON.stringify({ ...spec, endpoint: '/v1/moderations' }));
  expect(await columns()).toEqual(['custom_id', 'answer', 'status', 'error']);
});

test('in the matrix of a part of the rows, row n is row n of the input', async () => {
  using job = await FinishedJob.overRows(
    objects({ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }, { n: 5 }),
    { prompt: '{{ n }}', model, endpoint: '/v1/embeddings' },
    Array.from({ length: 5 }, (_, i) => ({ response: embeddingBody([i + 1, 0.5]) })),
  );
  const all = readFileSync(job.store.locationOf(jobFiles.results(job.spec.jobId)), 'utf8').split('\n');
  const some = (async function* (): AsyncGenerator<string> {
    yield all[1]!;
    yield all[3]!;
  })();
  const path = await savePartial(job.store, job.spec.jobId, { rows: some, lines: 5 }, job.at('v.npy'));
  const bytes = readFileSync(path);
  expect(bytes.toString('latin1', 0, 128)).toContain("'shape': (5, 2)");
  const numbers = Array.from({ length: 10 }, (_, i) => bytes.readFloatLE(128 + 4 * i));
  const gap = [Number.NaN, Number.NaN];
  expect(numbers).toEqual([...gap, 2, 0.5, ...gap, 4, 0.5, ...gap]);
});

test('what cannot be written is refused at once', async () => {
  using job = FinishedJob.overRequests('/v1/chat/completions', [answered('one')]);
  const check = async (path: string): Promise<void> => await checkOutput(job.store, job.spec, path);
  mkdirSync(job.at('folder.parquet'));
  writeFileSync(job.at('file'), '');
  for (const [path, what] of [
    ['missing/out.csv', 'does not exist: create it'],
    ['file/out.csv', 'is not a folder: choose another path'],
    ['folder.parquet', 'is a folder: choose another name, or end it with / for a folder of results'],
  ] as const)
    await expect(check(job.at(path))).rejects.toMatchObject({
      code: 'bad_output',
      message: expect.stringContaining(what) as string,
    });
  await check(`${job.at('folder.parquet')}/`);
  await expect(check('/proc/out.csv')).rejects.toMatchObject({ code: 'bad_output' });
});

test('the rows of a job without results are a table of another name, which the results replace', async () => {
  using job = await FinishedJob.overRows(
    objects({ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }),
    { prompt: '{{ n }}', model },
    Array.from({ length: 4 }, (_, i) => answered(`answer ${i + 1}`)),
  );
  const all = readFileSync(job.store.locationOf(`jobs/${job.spec.jobId}/results.jsonl`), 'utf8').split('\n');
  const some = (async function* (): AsyncGenerator<string> {
    yield all[1]!;
    yield all[3]!;
  })();
  const path = await savePartial(job.store, job.spec.jobId, { rows: some, lines: 4 }, job.at('out.csv'));
  expect(path).toBe(job.at('out.partial.csv'));
  expect((await readBack(path)).map(({ n, answer }) => [n, answer])).toEqual([
    ['2', 'answer 2'],
    ['4', 'answer 4'],
  ]);
  await saveOutput(job.store, job.spec.jobId, job.at('out.csv'));
  expect(readdirSync(job.folder.path).sort()).toEqual(['.out.csv.durable-batch-job', 'out.csv', 'store']);
});

test('a document that cannot be read is a row of a table like any other, without its fault', async () => {
  mkdirSync(documents.at('docs'));
  writeFileSync(documents.at('docs', 'a.md'), 'good');
  writeFileSync(documents.at('docs', 'b.md'), Buffer.from([0xff]));
  using job = await FinishedJob.overRows(
    { kind: 'paths', paths: [documents.at('docs', '*.md')], unreadable: 'row' },
    { prompt: '{{ text }}', model },
    [answered('x'), { status: 'failed' }],
  );
  await saveOutput(job.store, job.spec.jobId, job.at('out.parquet'));
  const rows = await readBack(job.at('out.parquet'));
  expect(Object.keys(rows[1]!)).toEqual([
    'path',
    'text',
    'answer',
    'status',
    'error',
    'input_tokens',
    'output_tokens',
  ]);
  expect(rows[1]).toMatchObject({ path: documents.at('docs', 'b.md'), text: null, status: 'failed' });
});

test('failed rows are written in the form of the input', async () => {
  using job = await FinishedJob.overRows(
    {
      kind: 'query',
      sql: "SELECT i::HUGEINT AS big, ('x' || i)::BLOB AS bytes, [i::FLOAT] AS list FROM range(4) t(i)",
    },
    { prompt: '{{ big }}', model },
    [answered('x'), { status: 'failed' }, answered('y'), { status: 'cancelled' }],
  );
  await saveFailed(job.store, job.spec.jobId, none, job.at('failed.parquet'));
  expect(await typesOf(job.at('failed.parquet'))).toEqual({
    big: 'DECIMAL(38,0)',
    bytes: 'BLOB',
    list: 'FLOAT[]',
  });
  expect(await readBack(job.at('failed.parquet'))).toEqual([
    { big: '1', bytes: 'x1', list: [1] },
    { big: '3', bytes: 'x3', list: [3] },
  ]);
  await saveFailed(job.store, job.spec.jobId, none, job.at('failed.jsonl'));
  expect(readFileSync(job.at('failed.jsonl'), 'utf8')).toBe(
    '{"big":1,"bytes":"eDE=","list":[1.0]}\n{"big":3,"bytes":"eDM=","list":[3.0]}\n',
  );
  await saveFailed(job.store, job.spec.jobId, none, job.at('failed.csv'));
  expect(readFileSync(job.at('failed.csv'), 'utf8')).toBe('big,bytes,list\n1,eDE=,[1.0]\n3,eDM=,[3.0]\n');
  await expect(saveFailed(job.store, job.spec.jobId, none, job.at('failed'))).rejects.toMatchObject({
    code: 'bad_option',
  });
});
