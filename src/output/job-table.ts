import { BatchError, ErrorCode } from '../core/errors.ts';
import type { JobSpec } from '../core/job-spec.ts';
import { Endpoint } from '../core/limits.ts';
import type { ResultRow } from '../core/result-row.ts';
import { shardId, type RoundPlan, type ShardManifest } from '../core/shard-plan.ts';
import { readTemplate } from '../job/job-template.ts';
import { answerImages } from '../openai/rows/answer-images.ts';
import { answerForm, objectOf } from '../openai/rows/answers.ts';
import { inputFiles, jobFiles, shardFiles } from '../store/job-files.ts';
import { lineBlocks } from '../store/line-blocks.ts';
import { readRecord, type Store } from '../store/store.ts';
import { readColumns, type StoredColumns } from '../store/stored-columns.ts';
import { answerColumns } from './table/answer-columns.ts';
import { planTable, type TablePlan } from './table/table-plan.ts';

/** What a table needs to know of a request template. */
export interface AnswersOfTemplate {
  readonly endpoint: string;
  readonly answer?: { readonly schema: Readonly<Record<string, unknown>> };
}

/**
 * The spec of a job whose shards were built.
 * @throws BatchError `store_unavailable` if the store does not have it
 */
export async function specOf(store: Store, jobId: string): Promise<JobSpec> {
  const key = jobFiles.spec(jobId);
  const spec = await readRecord<JobSpec>(store, key);
  if (spec !== null) return spec;
  throw new BatchError(
    ErrorCode.StoreUnavailable,
    `${store.locationOf(key)}: the record of job ${jobId} does not exist: restore it, or write the results to a folder.`,
    { details: { jobId } },
  );
}

/** True if the input of a job is rows in the store, which a table can have. */
export function hasRows({ input, template }: JobSpec): boolean {
  return input.stored === true && template !== undefined;
}

/**
 * The columns of a job's rows in the store.
 * @throws BatchError `store_unavailable` if the store no longer has the rows
 */
export async function rowColumns(store: Store, spec: JobSpec): Promise<StoredColumns> {
  const { sha256, columns: id } = spec.input;
  const columns = id === undefined ? null : await readColumns(store, sha256, id);
  if (columns !== null && (await store.size(inputFiles.rows(sha256))) !== null) return columns;
  throw new BatchError(
    ErrorCode.StoreUnavailable,
    `The rows of job ${spec.jobId} are no longer in the store (${store.locationOf(inputFiles.rows(sha256))}): restore them, or write the results to a folder.`,
    { details: { jobId: spec.jobId } },
  );
}

/**
 * Plans the table of a job's results. `template` is that of a job that is not started yet; otherwise it is read from the store.
 * @throws BatchError `bad_option`, `bad_input` for a template that the store does not have, `store_unavailable`
 */
export async function planJobTable(
  store: Store,
  spec: JobSpec,
  keep: readonly string[] | undefined,
  template: AnswersOfTemplate | null,
): Promise<TablePlan> {
  const rows = hasRows(spec) ? await rowColumns(store, spec) : null;
  const of = template ?? (await templateOf(store, spec));
  const endpoints = of === null ? await endpointsOfLines(store, spec) : [of.endpoint];
  const input = rows === null ? null : { name: spec.input.path, columns: rows.columns };
  return planTable(input, answerColumns(endpoints, of?.answer?.schema ?? null), keep);
}

/**
 * The endpoints of a job's requests. `template` is that of a job that is not started yet.
 * @throws BatchError `bad_input` for a template that the store does not have
 */
export async function endpointsOf(
  store: Store,
  spec: JobSpec,
  template: AnswersOfTemplate | null,
): Promise<string[]> {
  const of = template ?? (await templateOf(store, spec));
  return of === null ? await endpointsOfLines(store, spec) : [of.endpoint];
}

async function templateOf(store: Store, { template }: JobSpec): Promise<AnswersOfTemplate | null> {
  return template === undefined ? null : await readTemplate(store, template);
}

/**
 * The endpoints of ready request lines. A job that sends nothing has no shards: its endpoint is the option, or that of its kept answers. None before
 * the lines are cut into shards.
 */
async function endpointsOfLines(store: Store, { jobId, endpoint }: JobSpec): Promise<string[]> {
  const plan = await readRecord<RoundPlan>(store, jobFiles.round(jobId, 1));
  const found = new Set<string>();
  for (let index = 0; index < (plan?.shards ?? 0); index += 1) {
    const manifest = await readRecord<ShardManifest>(store, shardFiles.manifest(jobId, shardId(1, index)));
    if (manifest !== null) found.add(manifest.endpoint);
  }
  if (found.size > 0) return [...found];
  return endpoint === null ? await endpointOfAnswers(store, jobFiles.results(jobId)) : [endpoint];
}

/** An endpoint whose answers have the form of the first one; none without an answer. */
async function endpointOfAnswers(store: Store, key: string): Promise<string[]> {
  if ((await store.size(key)) === null) return [];
  for await (const block of lineBlocks(store.readStream(key)))
    for (const text of block) {
      const { status, response } = JSON.parse(text) as ResultRow;
      if (status !== 'answered') continue;
      const form = answerForm(objectOf(response));
      if (form === 'vectors') return [Endpoint.Embeddings];
      if (answerImages({ response }) !== null) return [Endpoint.ImageGenerations];
      return [form === 'whole' ? Endpoint.Moderations : Endpoint.ChatCompletions];
    }
  return [];
}
