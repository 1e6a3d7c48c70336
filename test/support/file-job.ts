import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { checkJobOptions, resolveJobSpec, type JobOptions, type JobSpec } from '../../src/core/job-spec.ts';
import { shardId, type RoundPlan, type ShardManifest, type ShardOutcome } from '../../src/core/shard-plan.ts';
import { shardInput, type ShardedInput } from '../../src/file-work/shards/shard-input.ts';
import type { EndedShard } from '../../src/file-work/rows/ended-shard.ts';
import { mergeRows } from '../../src/file-work/rows/merge-rows.ts';
import { settleShard } from '../../src/file-work/rows/settle-shard.ts';
import { settledRowsPath } from '../../src/file-work/records/shard-records.ts';
import { jobFiles, shardFiles } from '../../src/store/job-files.ts';

/** The id of the job that these helpers build. */
export const JOB = 'job';

/** One request line as a program would write it. */
export function requestLine(text: string, more: Record<string, unknown> = {}): string {
  return JSON.stringify({
    ...more,
    body: { model: 'gpt-4o-mini', messages: [{ role: 'user', content: text }] },
  });
}

/** The spec of a job over an input of these bytes; writes the input into the folder. */
export function specFor(
  folder: string,
  input: string | Uint8Array,
  options: Omit<JobOptions, 'input' | 'jobId'> = {},
): JobSpec {
  const bytes = Buffer.from(input);
  const path = join(folder, 'input.jsonl');
  writeFileSync(path, bytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return resolveJobSpec(checkJobOptions(options), { path, bytes: bytes.length, sha256 }, JOB);
}

/** Builds round 1 over these bytes. */
export function build(
  folder: string,
  input: string | Uint8Array,
  options: Omit<JobOptions, 'input' | 'jobId'> = {},
): ShardedInput {
  return shardInput(folder, { spec: specFor(folder, input, options) });
}

/** Builds round 1 and expects that the input has no fault. */
export function plan(
  folder: string,
  input: string | Uint8Array,
  options: Omit<JobOptions, 'input' | 'jobId'> = {},
): RoundPlan {
  const result = build(folder, input, options);
  if ('fault' in result) throw new Error(`line ${result.fault.line} ${result.fault.reason}`);
  if ('gone' in result) throw new Error(`answers of ${result.gone} are gone`);
  return result.plan;
}

/** The text of a shard's request file. */
export function requestsOf(folder: string, shard: string): string {
  return readFileSync(join(folder, shardFiles.requests(JOB, shard)), 'utf8');
}

export function manifestOf(folder: string, shard: string): ShardManifest {
  return JSON.parse(readFileSync(join(folder, shardFiles.manifest(JOB, shard)), 'utf8')) as ShardManifest;
}

/** All lines of a round's request files. */
export function allRequests(folder: string, round: RoundPlan, number = 1): string[] {
  return Array.from({ length: round.shards }, (_, i) => requestsOf(folder, shardId(number, i))).flatMap(
    (text) => text.split('\n').slice(0, -1),
  );
}

/** A row of results. */
export interface Row {
  line: number;
  id: string;
  status: 'answered' | 'failed' | 'cancelled';
  attempts: number;
  batch_id: string | null;
  response: unknown;
  error: { code: string; message: string } | null;
  usage: { input_tokens: number; output_tokens: number } | null;
}

/** The rows of a file; none when there is no file. */
export function rowsIn(path: string): Row[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((text) => text !== '')
    .map((text) => JSON.parse(text) as Row);
}

export function shardRows(folder: string, shard: string): Row[] {
  return rowsIn(settledRowsPath(folder, JOB, shard));
}

export function rejectedRows(folder: string): Row[] {
  return rowsIn(join(folder, jobFiles.rejected(JOB)));
}

/** The raw files of a batch. */
export interface RawFiles {
  readonly output?: string | Uint8Array | undefined;
  readonly errors?: string | Uint8Array | undefined;
  /** Outputs of duplicate batches, by id. */
  readonly duplicates?: Readonly<Record<string, string>>;
}

/** Writes the raw files of a shard's batch and settles the shard; returns null when the API is to be asked again for missing rows. */
export function settle(
  folder: string,
  shard: string,
  raw: RawFiles,
  ended: Partial<EndedShard> = {},
): ShardOutcome | null {
  const batch = ended.batch ?? 1;
  const settled = settleShard(folder, {
    job: JOB,
    shard,
    batch,
    batchId: 'batch_1',
    status: 'completed',
    ...writeRaw(folder, shard, raw, batch),
    refused: [],
    missing: 'retry',
    attempts: 3,
    ...ended,
  });
  return 'missing' in settled ? null : claimFirstOutcome(folder, shard, settled);
}

/** Writes the raw files of a shard's batch; returns which there are. */
export function writeRaw(
  folder: string,
  shard: string,
  raw: RawFiles,
  batch = 1,
): Pick<EndedShard, 'hasOutput' | 'hasErrors'> & { readonly duplicates: string[] } {
  const put = (key: string, bytes: string | Uint8Array | undefined): boolean => {
    if (bytes === undefined) return false;
    mkdirSync(dirname(join(folder, key)), { recursive: true });
    writeFileSync(join(folder, key), bytes);
    return true;
  };
  for (const [batchId, output] of Object.entries(raw.duplicates ?? {}))
    put(shardFiles.duplicateOutput(JOB, shard, batch, batchId), output);
  return {
    hasOutput: put(shardFiles.output(JOB, shard, batch), raw.output),
    hasErrors: put(shardFiles.errors(JOB, shard, batch), raw.errors),
    duplicates: Object.keys(raw.duplicates ?? {}),
  };
}

/** Claims the first outcome of a shard, as file work does; returns the one on record. */
export function claimFirstOutcome(folder: string, shard: string, outcome: ShardOutcome): ShardOutcome {
  const path = join(folder, shardFiles.outcome(JOB, shard));
  if (!existsSync(path)) writeFileSync(path, JSON.stringify(outcome));
  return JSON.parse(readFileSync(path, 'utf8')) as ShardOutcome;
}

/** Merges files of rows by path; returns the number of rows. */
export function mergeFiles(paths: readonly string[], target: string): number {
  return mergeRows('/', { files: paths, target }).rows;
}

/** A row of an output file. */
export function outputRow(line: number | string, body: unknown, status: unknown = 200): string {
  return `${JSON.stringify({
    id: `batch_req_${line}`,
    custom_id: String(line),
    response: { status_code: status, request_id: 'req', body },
    error: null,
  })}\n`;
}

/** A row of a request that never ran. */
export function neverRanRow(line: number, code: string): string {
  return `${JSON.stringify({ id: 'x', custom_id: String(line), response: null, error: { code, message: `${code}!` } })}\n`;
}
