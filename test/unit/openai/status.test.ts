import type OpenAI from 'openai';
import { expect, test } from 'vitest';
import { BatchStatus } from '../../../src/core/batch-status.ts';
import { readStatus } from '../../../src/openai/status.ts';

const show = (parts: object): ReturnType<typeof readStatus> => readStatus(parts as OpenAI.Batch);

test.each<[sent: unknown, status: BatchStatus]>([
  ...Object.values(BatchStatus).map((status): [unknown, BatchStatus] => [status, status]),
  ...Object.values(BatchStatus).map((status): [unknown, BatchStatus] => [status.toUpperCase(), status]),
  ['canceled', 'cancelled'],
  ['CANCELING', 'cancelling'],
  ['queued', 'in_progress'],
  ['Queued', 'in_progress'],
  ['pending', 'in_progress'],
  ['Succeeded', 'completed'],
  ['success', 'completed'],
  ['DONE', 'completed'],
  ['finished', 'completed'],
  ['complete', 'completed'],
  ['error', 'failed'],
  ['failure', 'failed'],
  ['timeout', 'expired'],
  ['Timeout-Exceeded', 'expired'],
  ['in progress', 'in_progress'],
  ['ready', 'in_progress'],
  ['constructor', 'in_progress'],
  ['', 'in_progress'],
  [null, 'in_progress'],
  [undefined, 'in_progress'],
  [7, 'in_progress'],
])('%j is the status %s', (sent, status) => {
  expect(show({ status: sent }).status).toBe(status);
});

test.each([
  ['ready', 'ready'],
  ['toString', 'toString'],
  ['', '(none)'],
  [null, '(none)'],
  [7, '(not printable)'],
])('%j is not a known status, and is shown as %s', (status, unknown) => {
  expect(show({ status })).toEqual({ status: 'in_progress', unknown });
});

const counts = { total: 2, completed: 1, failed: 1 };

test.each<[title: string, parts: object, status: BatchStatus]>([
  ['its counts cover all lines', { request_counts: counts }, 'completed'],
  ['there are no counts', {}, 'completed'],
  ['a line is left', { request_counts: { ...counts, total: 3 } }, 'in_progress'],
  ['its counts are zero', { request_counts: { total: 0, completed: 0, failed: 0 } }, 'in_progress'],
])('a batch of an unknown status with a file, where %s, is %s', (_, parts, status) => {
  expect(show({ status: 'ready', output_file_id: 'file-out', ...parts }).status).toBe(status);
});
