import { Context } from '@temporalio/activity';
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import pLimit from 'p-limit';
import { isTerminal } from '../core/batch-status.ts';
import type { ApiBatch } from '../openai/api-batch.ts';
import type { OtherBatches } from '../token-queue/queue-state.ts';
import type { Sweep } from '../token-queue/token-ledger.ts';
import type { QueueName } from '../token-queue/token-report.ts';
import { mayHaveKeyOf } from './step/account.ts';
import type { Dependencies } from './step/dependencies.ts';
import { withHeartbeat } from './step/heartbeat.ts';

/** A queue, and what it knows. */
export interface SweepRequest extends QueueName {
  /** Jobs that want or have tokens. */
  readonly jobs: readonly string[];
  readonly known: OtherBatches;
}

/** Windows are a day long; a batch that was created before is not looked for. In seconds. */
const WINDOW_S = 26 * 3_600;

/** So many batches of others are looked into; each takes a call or two, once. */
const OTHERS_AT_MOST = 200;

/** Concurrent calls. */
const AT_A_TIME = 8;

/** Bytes of a request file for each prompt token, JSON around the texts among them. */
const BYTES_PER_TOKEN = 4;

/** The model is named within so many bytes of a request, as a rule. */
const HEAD_BYTES = 64 << 10;

/**
 * Finds which jobs of a queue have ended, and which other batches of the account use its tokens. Safe twice: it only reads.
 */
export async function sweepTokenQueue(deps: Dependencies, request: SweepRequest): Promise<Sweep> {
  const { client } = Context.current();
  return await withHeartbeat(async (signal) => {
    const limit = pLimit(AT_A_TIME);
    const states = await Promise.all(
      request.jobs.map((job) => limit(async () => ({ job, runs: await isRunning(client, job) }))),
    );
    const ended = states.filter(({ runs }) => !runs).map(({ job }) => job);
    // A worker with another key cannot see the account's batches.
    if (!mayHaveKeyOf(deps, request.account)) return { ended, others: request.known };
    const running = new Set(states.filter(({ runs }) => runs).map(({ job }) => job));
    const others = (await unendedBatches(deps, signal)).filter(
      ({ metadata }) => !running.has(metadata?.job ?? ''),
    );
    const tokens = await Promise.all(
      others
        .slice(0, OTHERS_AT_MOST)
        .map((batch) =>
          limit(
            async () =>
              [
                batch.id,
                request.known.tokens[batch.id] ?? (await tokensOf(deps, batch, request.model, signal)),
              ] as const,
          ),
        ),
    );
    return { ended, others: { tokens: Object.fromEntries(tokens) } };
  });
}

async function isRunning(client: Client, job: string): Promise<boolean> {
  try {
    return (await client.workflow.getHandle(job).describe()).status.name === 'RUNNING';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

async function unendedBatches({ api }: Dependencies, signal: AbortSignal): Promise<ApiBatch[]> {
  const batches: ApiBatch[] = [];
  let newest = 0;
  await api.visitBatches((batch) => {
    newest = Math.max(newest, batch.createdAt);
    if (!isTerminal(batch.status)) batches.push(batch);
    return batch.createdAt < newest - WINDOW_S ? 'stop' : 'continue';
  }, signal);
  return batches;
}

/** The prompt tokens of a batch, by the size of its file; 0 for another model, or if its file cannot be read. */
async function tokensOf(
  { api }: Dependencies,
  { inputFileId }: ApiBatch,
  model: string,
  signal: AbortSignal,
): Promise<number> {
  if (inputFileId === null) return 0;
  const bytes = await api.fileSize(inputFileId, signal);
  if (bytes === null || (await modelOf(api, inputFileId, signal)) !== model) return 0;
  return Math.ceil(bytes / BYTES_PER_TOKEN);
}

/** The model of the first request in a file; a batch has one model only. Null if it cannot be read. */
async function modelOf(
  api: Dependencies['api'],
  fileId: string,
  signal: AbortSignal,
): Promise<string | null> {
  const file = await api.openFile(fileId, signal);
  let head = '';
  for await (const chunk of file ?? []) {
    head += Buffer.from(chunk).toString('latin1');
    if (head.length >= HEAD_BYTES || head.includes('\n')) break;
  }
  const named = /"model"\s*:\s*("(?:[^"\\]|\\.)*")/.exec(head)?.[1];
  return named === undefined ? null : (JSON.parse(named) as string);
}
