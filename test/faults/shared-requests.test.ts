/** Embeddings whose rows share a request, and requests that fail. */
import { afterAll, beforeAll, describe, test } from 'vitest';
import type { BatchFault, FaultRule, LineFault } from 'openai-batch-emulator';
import { MAX_PACKED_LINES } from '../../src/core/limits.ts';
import { FaultBench, type FaultRow } from './fault-bench.ts';

let bench: FaultBench;
beforeAll(async () => {
  bench = await FaultBench.start();
});
afterAll(async () => {
  await bench.close();
});

const runRows = (rows: Record<string, Omit<FaultRow, 'isEmbedding'>>): void => {
  test.each(Object.entries(rows))('%s', async (_what, row) => {
    await bench.run({ ...row, isEmbedding: true });
  });
};

/** The fault of the request of all rows. */
const onAll = (fault: LineFault): FaultRule => ({ on: 'line', customId: '1', fault });
const onFirstBatch = (fault: BatchFault): FaultRule => ({ on: 'batch', nth: 1, fault });
const wrongVectors = {
  job: { attempts: 1 },
  ends: { attempts: { 2: 6 }, rounds: 2, batches: 2, errors: { missing_vector: 6 } },
} as const;

describe.concurrent('the answer to the request of all rows', () => {
  runRows({
    'has the vectors in another order': {
      faults: [onAll({ kind: 'vector_form', form: 'reversed' })],
      ends: {},
    },
    'has vectors without their numbers': {
      faults: [onAll({ kind: 'vector_form', form: 'no_index' })],
      ends: {},
    },
    'is in a string': { faults: [onAll({ kind: 'answer_form', form: 'double_string' })], ends: {} },
    'lacks a vector: each row is sent alone': {
      faults: [onAll({ kind: 'vector_form', form: 'fewer' })],
      ...wrongVectors,
    },
    'has a vector too many: each row is sent alone': {
      faults: [onAll({ kind: 'vector_form', form: 'more' })],
      ...wrongVectors,
    },
    'has the same number in all vectors: each row is sent alone': {
      faults: [onAll({ kind: 'vector_form', form: 'repeated_index' })],
      ...wrongVectors,
    },
    'cannot be read: no row is bought again': {
      faults: [onAll({ kind: 'unreadable_row', form: 'truncated' })],
      ends: {
        failed: Object.fromEntries([1, 2, 3, 4, 5, 6].map((line) => [line, 'answer_unreadable'])),
        errors: { answer_unreadable: 6 },
      },
    },
  });
});

describe.concurrent('the request of all rows', () => {
  runRows({
    'is refused for one of them: each is sent alone, and only that one fails': {
      emulator: { contextTokens: { '*': 20 } },
      text: (line) => (line === 3 ? 'too long '.repeat(20) : `Text ${line}`),
      job: { attempts: 1 },
      ends: {
        failed: { 3: 'context_length_exceeded' },
        attempts: { 2: 6 },
        rounds: 2,
        batches: 2,
        errors: { context_length_exceeded: 7 },
      },
    },
    'has too many tokens: each row is sent alone': {
      emulator: {
        lifecycle: { mode: 'timed', validatingMs: 3_000, inProgressMs: 50, perLineMs: 0, finalizingMs: 50 },
      },
      faults: [
        { ...onAll({ kind: 'status', status: 400, code: 'max_tokens_per_request' }), id: 'too many tokens' },
      ],
      job: { attempts: 1 },
      during: async ({ until, removeFault }) => {
        await until('the rows are sent again', ({ round }) => round === 2);
        await removeFault('too many tokens');
      },
      ends: { attempts: { 2: 6 }, rounds: 2, batches: 2, errors: { max_tokens_per_request: 6 } },
    },
    'fails: each row is sent alone, and the one that fails then uses its other attempts': {
      faults: [onAll({ kind: 'status', status: 500 })],
      ends: { attempts: { 2: 5, 3: 1 }, rounds: 3, batches: 3, errors: { server_error: 7 } },
    },
    'fails in the only attempt: each row is sent alone': {
      faults: [onAll({ kind: 'status', status: 500 })],
      job: { attempts: 1 },
      ends: {
        failed: { 1: 'server_error' },
        attempts: { 2: 6 },
        rounds: 2,
        batches: 2,
        errors: { server_error: 7 },
      },
    },
    'has no row: each row is sent alone': {
      faults: [onAll({ kind: 'lost', paid: false })],
      job: { rebuy: true },
      ends: { attempts: { 2: 5, 3: 1 }, rounds: 3, batches: 3, errors: { missing_row: 7 } },
    },
    'is named when its batch is refused: each row is sent alone': {
      faults: [onFirstBatch({ kind: 'fail', errors: [{ code: 'invalid_input', message: 'bad', line: 1 }] })],
      job: { attempts: 1 },
      ends: { attempts: { 2: 6 }, rounds: 2, batches: 2, errors: { invalid_input: 6 } },
    },
    'is in a batch that expires before it runs: the rows share a request again': {
      faults: [onFirstBatch({ kind: 'expire', afterFraction: 0 })],
      job: { attempts: 1 },
      ends: { attempts: { 2: 6 }, rounds: 2, batches: 2, errors: { batch_expired: 6 } },
    },
  });
});

describe.concurrent('a batch of two requests', () => {
  const half = MAX_PACKED_LINES;
  const lines = 2 * half;
  runRows({
    'expires half done: the vectors of one are kept, the rows of the other share a request again': {
      lines,
      faults: [onFirstBatch({ kind: 'expire', afterFraction: 0.5 })],
      job: { attempts: 1 },
      ends: {
        attempts: { 1: half, 2: half },
        rounds: 2,
        batches: 2,
        errors: { batch_expired: half },
      },
    },
    'is cancelled half done: the vectors of one are kept': {
      lines,
      faults: [
        onFirstBatch({ kind: 'never_expires' }),
        onFirstBatch({ kind: 'stuck', status: 'in_progress', afterFraction: 0.5 }),
      ],
      during: async ({ until, job }) => {
        await until('one has run', ({ running }) => running > 0);
        await job.cancel();
      },
      ends: { cancelled: 'any' },
    },
  });
});
