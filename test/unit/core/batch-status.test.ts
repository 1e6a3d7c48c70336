import { expect, test } from 'vitest';
import { BatchStatus, isTerminal } from '../../../src/core/batch-status.ts';

test('completed, failed, expired and cancelled are the terminal statuses', () => {
  expect(Object.values(BatchStatus).filter(isTerminal).sort()).toEqual([
    'cancelled',
    'completed',
    'expired',
    'failed',
  ]);
});
