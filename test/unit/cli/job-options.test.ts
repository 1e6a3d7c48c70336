import { Command, InvalidArgumentError } from 'commander';
import { expect, test } from 'vitest';
import { addJobOptions, toJobOptions, toNumber, type JobFlags } from '../../../src/cli/job-options.ts';
import type { JobOptions } from '../../../src/core/job-spec.ts';

/** The options that a command line asks for. */
function parsed(...args: string[]): JobOptions {
  const command = addJobOptions(new Command().exitOverride().configureOutput({ writeErr: () => undefined }));
  command.parse(args, { from: 'user' });
  return toJobOptions('in.jsonl', command.opts<JobFlags>());
}

test('a command without flags sets only the input', () => {
  expect(parsed()).toEqual({ input: 'in.jsonl' });
});

test.each<[args: string[], options: Partial<JobOptions>]>([
  [['--job', 'a'], { jobId: 'a' }],
  [['--model', 'm'], { model: 'm' }],
  [['--endpoint', '/v1/responses'], { endpoint: '/v1/responses' }],
  [['--shard-lines', '7'], { shardLines: 7 }],
  [['--shard-bytes', '7000'], { shardBytes: 7_000 }],
  [['--attempts', '7'], { attempts: 7 }],
  [['--poll', '0.5'], { pollSeconds: 0.5 }],
  [['--in-flight', '7'], { inFlight: 7 }],
  [['--skip-bad-lines'], { skipBadLines: true }],
  [['--rebuy'], { rebuy: true }],
  [['--give-up-after', '26'], { giveUpAfterHours: 26 }],
  [['--only-new', 'reviews'], { onlyNew: 'reviews' }],
  [['--reuse'], { reuse: true }],
  [['--fresh'], {}],
  [['--attempts', '0'], { attempts: 0 }],
])('%j asks for %j', (args, options) => {
  expect(parsed(...args)).toEqual({ input: 'in.jsonl', ...options });
});

test.each([
  [['--attempts', 'many']],
  [['--poll', '']],
  [['--in-flight', '1e999']],
  [['--shard-lines']],
  [['--only-new']],
  [['--unknown']],
])('%j is refused', (args) => {
  expect(() => parsed(...args)).toThrow();
});

test.each<[text: string, value: number]>([
  ['7', 7],
  [' 7 ', 7],
  ['0.05', 0.05],
  ['1e3', 1_000],
  ['-1', -1],
])('%j is the number %d', (text, value) => {
  expect(toNumber(text)).toBe(value);
});

test.each(['', ' ', 'seven', '7s', 'NaN', 'Infinity'])('%j is not a number', (text) => {
  expect(() => toNumber(text)).toThrow(InvalidArgumentError);
});
