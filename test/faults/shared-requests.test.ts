/** Embeddings whose rows share a request, and requests that fail. */
import { afterAll, beforeAll, describe, test } from 'vitest';
import { FaultBench } from './fault-bench.ts';

let bench: FaultBench;
beforeAll(async () => {
  bench = await FaultBench.start();
});
afterAll(async () => {
  await bench.close();
});

describe.concurrent('the request of all rows', () => {
  test('is refused for one of them: each is sent alone, and only that one fails', async () => {
    await bench.run({
      isEmbedding: true,
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
    });
  });

  test('fails and succeeds when it is sent again', async () => {
    await bench.run({
      isEmbedding: true,
      faults: [{ on: 'line', customId: '1', executions: 1, fault: { kind: 'status', status: 500 } }],
      ends: { attempts: { 2: 6 }, rounds: 2, batches: 2, errors: { server_error: 6 } },
    });
  });

  test('is in a batch that expires before it runs', async () => {
    await bench.run({
      isEmbedding: true,
      faults: [{ on: 'batch', nth: 1, fault: { kind: 'expire', afterFraction: 0 } }],
      job: { attempts: 1 },
      ends: { attempts: { 2: 6 }, rounds: 2, batches: 2, errors: { batch_expired: 6 } },
    });
  });

  test('has its answer in a string', async () => {
    await bench.run({
      isEmbedding: true,
      faults: [{ on: 'line', customId: '1', fault: { kind: 'answer_form', form: 'double_string' } }],
      ends: {},
    });
  });

  test('has no row: it is sent again', async () => {
    await bench.run({
      isEmbedding: true,
      faults: [{ on: 'line', customId: '1', executions: 1, fault: { kind: 'lost', paid: false } }],
      job: { rebuy: true },
      ends: { attempts: { 2: 6 }, rounds: 2, batches: 2, errors: { missing_row: 6 } },
    });
  });
});
