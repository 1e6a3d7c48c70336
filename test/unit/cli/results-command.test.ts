import { Command } from 'commander';
import { expect, test } from 'vitest';
import { addResults } from '../../../src/cli/commands/results.ts';

test.each([
  [
    'columns without a table',
    ['--keep', 'a'],
    'Option --keep is for a table: add --out results.parquet (or .csv, .jsonl).',
  ],
  [
    'columns of a matrix',
    ['--npy', 'v.npy', '--keep', 'a'],
    'Option --keep is for a table: add --out results.parquet (or .csv, .jsonl).',
  ],
  [
    'a matrix of failed lines',
    ['--failed', '--out', 'x.csv', '--npy', 'v.npy'],
    'Option --npy does not go with --failed.',
  ],
  ['a matrix that is a table', ['--npy', 'v.csv'], 'Option --npy must be a file that ends in .npy'],
])('results refuses %s before it connects', async (_, flags, message) => {
  const program = new Command();
  addResults(program);
  await expect(
    program.parseAsync(['node', 'durable-batch', 'results', 'job', ...flags]),
  ).rejects.toMatchObject({ code: 'bad_option', message: expect.stringContaining(message) as string });
});
