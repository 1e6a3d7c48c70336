import { expect, test } from 'vitest';
import { BatchStatus, isTerminal } from '../../../src/core/batch-status.ts';

test('a batch changes no more when it is completed, failed, expired or cancelled', () => {
  expect(Object.values(BatchStatus).filter(isTerminal).sort()).toEqual([
    'cancelled',
    'completed',
    'expired',
    'failed',
  ]);
});
