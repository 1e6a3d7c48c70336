/** The options of schedules whose jobs are of rows: what the store keeps of them, and what each run makes of it. */
import { resolve } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { isBatchError } from '../../../src/core/errors.ts';
import {
  keepScheduleRows,
  nameOfRows,
  readScheduleRows,
  referenceOfRows,
  rowOptionsAt,
  scheduleRowsOf,
} from '../../../src/job/schedule-rows.ts';
import { inputFiles } from '../../../src/store/job-files.ts';
import { MemoryStore } from '../../support/memory-store.ts';

const prompt = 'Rate {{ review }}';
const model = 'gpt-5-mini';

async function messageOf(options: object): Promise<string> {
  const error: unknown = await scheduleRowsOf(options).catch((thrown: unknown) => thrown);
  if (!isBatchError(error)) throw error;
  return error.message;
}

describe('the options of rows', () => {
  test('are plain JSON with absolute paths, and leave out those of the job', async () => {
    const answer = z.object({ label: z.enum(['good', 'bad']) });
    const rows = await scheduleRowsOf({ input: 'in-{yyyy}.csv', prompt, model, answer, attempts: 5 });
    expect(JSON.parse(JSON.stringify(rows))).toEqual(rows);
    expect(rows).toMatchObject({
      input: [resolve('in-{yyyy}.csv')],
      prompt,
      model,
      answer: { type: 'object', additionalProperties: false },
      folder: resolve('.'),
    });
    expect(rows).not.toHaveProperty('attempts');
  });

  test('of embeddings have the endpoint and the prompt that `embed` stands for', async () => {
    const rows = await scheduleRowsOf({ input: ['docs/**/*.md'], embed: true, model: 'm', chunkTokens: 200 });
    expect(rows).toMatchObject({ endpoint: '/v1/embeddings', prompt: '{{ text }}', chunkTokens: 200 });
  });

  test('have a name that quotes no query', async () => {
    const query = await scheduleRowsOf({ sql: "select 'secret'", prompt, model });
    expect(nameOfRows(query!)).toBe('a query');
    const files = await scheduleRowsOf({ input: ['/a.csv', '/b.csv', '/c.csv'], prompt, model });
    expect(nameOfRows(files!)).toBe('/a.csv and 2 more');
  });

  test('are none for ready requests, whose file may be named by the time', async () => {
    expect(await scheduleRowsOf({ input: 'in-{yyyy}-{MM}-{dd}.jsonl' })).toBeNull();
  });
});

test('a run has the names and the query of its time, in which other braces stay', async () => {
  const at = (name: string): string => name.replaceAll('{yyyy}', '2026');
  const files = await scheduleRowsOf({ input: ['/{a,b}/{yyyy}.csv'], prompt, model });
  expect(rowOptionsAt(files!, at)).toEqual({ input: ['/{a,b}/2026.csv'], prompt, model });
  const query = await scheduleRowsOf({ sql: "select {'a': 1} from 'x-{yyyy}.csv'", prompt, model });
  expect(rowOptionsAt(query!, at)).toEqual({ sql: "select {'a': 1} from 'x-2026.csv'", prompt, model });
});

describe('refused before anything is created', () => {
  test.each<[what: string, options: object, message: RegExp]>([
    ['no source', { prompt, model }, /^Option input must be the path of a file/],
    ['an unknown placeholder', { input: 'in-{day}.csv', prompt, model }, /placeholder \{day\}: use \{yyyy\}/],
    [
      'standard input',
      { input: '-', prompt, model },
      /is standard input: a schedule reads files, or a query/,
    ],
    ['no model', { input: 'in.csv', prompt }, /^Option model is missing/],
    ['a template that does not parse', { input: 'in.csv', model, prompt: '{{ review' }, /^prompt:1:1/],
    ['a table without a prompt', { input: 'in-{yyyy}.csv' }, /is a table: add --prompt/],
    ['a query without a prompt', { sql: 'select 1' }, /^Option sql needs a prompt/],
    [
      'two sources',
      { input: 'in.csv', sql: 'select 1', prompt, model },
      /^Option sql cannot be combined with input/,
    ],
  ])('%s', async (_, options, message) => {
    expect(await messageOf(options)).toMatch(message);
  });
});

describe('the record in the store', () => {
  let store: MemoryStore;
  beforeEach(() => {
    store = new MemoryStore();
  });

  test('is read by its hash', async () => {
    const rows = await scheduleRowsOf({ input: 'in.csv', prompt, model });
    await keepScheduleRows(store, rows!);
    await keepScheduleRows(store, rows!);
    expect(await readScheduleRows(store, referenceOfRows(rows!), 'nightly')).toEqual(rows);
  });

  test('that is missing or damaged is an error that says what to do', async () => {
    const rows = await scheduleRowsOf({ input: 'in.csv', prompt, model });
    const reference = referenceOfRows(rows!);
    const read = async (): Promise<unknown> => await readScheduleRows(store, reference, 'nightly');
    await expect(read()).rejects.toThrow(
      /The options of schedule nightly are missing from the store .* create it again/,
    );
    await store.replace(inputFiles.scheduleRows(reference.sha256), '{}');
    await expect(read()).rejects.toThrow(/are damaged in the store/);
  });
});
