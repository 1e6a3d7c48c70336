/** Tables of results as Python reads them. Needs pyarrow and numpy: `PYTHON=…/bin/python npx vitest run test/unit/output/pyarrow.test.ts`. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { saveOutput } from '../../../src/output/save-output.ts';
import { chatBody, embeddingBody, FinishedJob } from '../../support/finished-job.ts';

const python = process.env['PYTHON'] ?? 'python3';
const isInstalled = spawnSync(python, ['-c', 'import pyarrow.parquet, numpy']).status === 0;

function run(program: string, path: string): unknown {
  const { stdout, stderr } = spawnSync(python, ['-c', program, path], { encoding: 'utf8' });
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}

const readTable = `
import json, sys, pyarrow.parquet as pq
t = pq.read_table(sys.argv[1])
print(json.dumps([{f.name: str(f.type) for f in t.schema}, [{k: str(v) for k, v in row.items()} for row in t.to_pylist()]]))`;

test.runIf(isInstalled)('pyarrow reads the types and values of a table', async () => {
  using job = await FinishedJob.overRows(
    {
      kind: 'query',
      sql: "SELECT 9007199254740993 AS id, 12345678901234567890::HUGEINT AS big, 'ä🎉' AS text, DATE '2026-11-26' AS day, 1.25::DECIMAL(9,2) AS price, [1.5::FLOAT] AS list, {'a': 1} AS pair, '\\x00\\xFF'::BLOB AS bytes, '{\"x\":1}'::JSON AS json",
    },
    {
      prompt: '{{ text }}',
      model: 'gpt-5-mini',
      answer: {
        type: 'object',
        properties: {
          label: { type: 'string' },
          score: { type: 'number' },
          n: { type: 'integer' },
          sure: { type: 'boolean' },
          words: { type: 'array', items: { type: 'string' } },
        },
        required: ['label', 'score', 'n', 'sure', 'words'],
        additionalProperties: false,
      },
    },
    [{ response: chatBody('{"label":"gut","score":0.5,"n":9007199254740993,"sure":true,"words":["a"]}') }],
  );
  const path = job.at('out.parquet');
  await saveOutput(job.store, job.spec.jobId, path);
  expect(run(readTable, path)).toEqual([
    {
      id: 'int64',
      big: 'decimal128(38, 0)',
      text: 'string',
      day: 'date32[day]',
      price: 'decimal128(9, 2)',
      list: 'list<element: float>',
      pair: 'struct<a: int32>',
      bytes: 'binary',
      json: expect.stringMatching(/string|json/) as string,
      label: 'string',
      score: 'double',
      n: 'int64',
      sure: 'bool',
      words: 'list<element: string>',
      status: 'string',
      error: 'string',
      input_tokens: 'int64',
      output_tokens: 'int64',
    },
    [
      expect.objectContaining({
        id: '9007199254740993',
        big: '12345678901234567890',
        text: 'ä🎉',
        day: '2026-11-26',
        price: '1.25',
        list: '[1.5]',
        pair: "{'a': 1}",
        bytes: "b'\\x00\\xff'",
        json: '{"x":1}',
        n: '9007199254740993',
        words: "['a']",
        status: 'answered',
        error: 'None',
      }) as object,
    ],
  ]);
});

test.runIf(isInstalled)('NumPy reads vectors, also those of a table, as the same floats', async () => {
  using job = FinishedJob.overRequests('/v1/embeddings', [
    { response: embeddingBody([0.1, -2, 3]) },
    { status: 'failed' },
  ]);
  await saveOutput(job.store, job.spec.jobId, job.at('v.npy'));
  const program = `
import json, sys, numpy as np
m = np.load(sys.argv[1])
print(json.dumps([str(m.dtype), m.shape, m[0].tolist(), np.isnan(m[1]).tolist()]))`;
  expect(run(program, job.at('v.npy'))).toEqual([
    'float32',
    [2, 3],
    [Math.fround(0.1), -2, 3],
    [true, true, true],
  ]);
  await saveOutput(job.store, job.spec.jobId, job.at('v.parquet'));
  expect(run(readTable, job.at('v.parquet'))).toMatchObject([
    { embedding: 'list<element: float>' },
    [{}, { embedding: 'None' }],
  ]);
});

test.skipIf(isInstalled)(
  `${python} has no pyarrow or numpy: tables are read back by DuckDB only`,
  () => undefined,
);
