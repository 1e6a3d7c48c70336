import { NamespaceNotFoundError, ServiceError, WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure, TerminatedFailure, ValueError, WorkflowNotFoundError } from '@temporalio/common';
import { expect, test } from 'vitest';
import { toBatchError } from '../../../src/client/temporal-failure.ts';

const target = {
  kind: 'configured',
  connection: { address: 'temporal.example:7233', apiKey: 'sk-secret' },
  namespace: 'batches',
} as const;

/** The error that the SDK throws for a gRPC error, with the metadata that gRPC adds. */
function grpc(code: number, details: string = 'details of the server'): ServiceError {
  const cause = Object.assign(new Error(`${code}: ${details}`), {
    code,
    details,
    metadata: { authorization: 'Bearer sk-secret' },
  });
  return new ServiceError('Failed', { cause });
}
const failed = (cause: Error): WorkflowFailedError =>
  new WorkflowFailedError('Workflow execution failed', cause, 'NON_RETRYABLE_FAILURE');

test.each<[what: string, error: Error, code: string, message: RegExp]>([
  [
    'an unavailable server',
    grpc(14),
    'temporal_unavailable',
    /no longer responds\. Job j keeps its progress: start/,
  ],
  ['a call that took too long', grpc(4), 'temporal_unavailable', /no longer responds/],
  ['a call that was cut off', grpc(1), 'temporal_unavailable', /no longer responds/],
  [
    'a key that may not',
    grpc(7),
    'temporal_unavailable',
    /refused the call in namespace batches: check TEMPORAL_API_KEY/,
  ],
  ['a wrong key', grpc(16), 'temporal_unavailable', /refused the call/],
  ['a limit of calls', grpc(8), 'temporal_unavailable', /is limiting calls: try again later/],
  ['a server of another kind', grpc(12), 'temporal_unavailable', /does not know the call/],
  ['an error of the server', grpc(13), 'temporal_unavailable', /failed \(gRPC code 13\)/],
  ['a job that is not found', grpc(5, 'workflow not found'), 'job_not_found', /No job has the id j/],
  [
    'a namespace that is not found',
    grpc(5, 'Namespace batches is not found.'),
    'temporal_unavailable',
    /no namespace batches/,
  ],
  ['a wrong query', grpc(3, 'syntax error near x'), 'bad_option', /refused the call: syntax error near x$/],
  [
    'a search attribute that is missing',
    grpc(3, "invalid query: column name 'DurableBatchModels' is not defined"),
    'bad_option',
    /Namespace batches has no search attribute DurableBatchModels: register it with `durable-batch setup`/,
  ],
  [
    'a namespace that is missing',
    new NamespaceNotFoundError('batches'),
    'temporal_unavailable',
    /no namespace batches: create it, or set TEMPORAL_NAMESPACE/,
  ],
  [
    'a job that is missing',
    new WorkflowNotFoundError('x', 'j', undefined),
    'job_not_found',
    /No job has the id j/,
  ],
  [
    'payloads of another converter',
    new ValueError('Unknown encoding: binary/secret'),
    'bad_option',
    /give the client the data converter of the worker/,
  ],
  [
    'a job with a bad line',
    failed(
      ApplicationFailure.nonRetryable('f:2: the line is bad: fix it.', 'BadInput', { file: 'f', line: 2 }),
    ),
    'bad_input',
    /^f:2: the line is bad: fix it\.$/,
  ],
  ['a terminated job', failed(new TerminatedFailure('by me')), 'job_failed', /Job j was terminated/],
  ['a job that failed otherwise', failed(new Error('odd')), 'job_failed', /Job j failed: odd\. Start it/],
])('%s', (_what, error, code, message) => {
  const converted = toBatchError(error, { jobId: 'j', target }) as Error;
  expect(converted).toMatchObject({ name: 'BatchError', code });
  expect(converted.message).toMatch(message);
  expect(converted.cause).toBeUndefined();
});

test('other errors are returned unchanged', () => {
  const error = new TypeError('ours');
  expect(toBatchError(error, { jobId: null, target })).toBe(error);
});
