import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BatchError, ErrorCode } from '../core/errors.ts';
import type { GivenPrices } from '../core/given-prices.ts';
import { rowNoun } from '../core/job-spec.ts';
import { count } from '../core/number-format.ts';
import type { FoundLines } from '../file-work/requests/found-lines.ts';
import type { InputReader } from '../input/input-reader.ts';
import { jsonlInput } from '../input/jsonl-input.ts';
import { STDIN, type SourceOptions } from '../job/row-source-options.ts';
import { resolveStart, type ResolvedStart, type StartOptions } from '../job/start-options.ts';
import type { TemplateFiles } from '../job/template-options.ts';
import { inputFiles } from '../store/job-files.ts';
import { openStore } from '../store/open-store.ts';
import type { Store } from '../store/store.ts';
import type { ReadJobFile } from './job-file/read-job-file.ts';
import { outputFlagsOf, toJobOptions, type JobFlags, type OutputFlags } from './job-options.ts';
import { readSource, type SourceFlags } from './source-options.ts';

/** What a command line says of a job. */
export interface JobRequest {
  readonly options: Partial<StartOptions>;
  readonly names: TemplateFiles;
  readonly fresh: boolean;
  /** Where the results are written. */
  readonly outputs: OutputFlags;
  /** The folder of images of a source that is no file: that of the job file with the source; undefined for the working directory. */
  readonly folder: string | undefined;
}

/** What a command line asks to start. */
export interface StartRequest extends JobRequest {
  readonly options: StartOptions;
}

/**
 * The start that the inputs and options of a command describe.
 * @throws BatchError `bad_option`, also without a source; `bad_input`
 */
export async function readStart(
  inputs: readonly string[],
  flags: JobFlags & SourceFlags & OutputFlags,
): Promise<StartRequest> {
  const request = await readJob(inputs, flags);
  if (hasSource(request)) return request;
  throw new BatchError(ErrorCode.BadOption, 'The input is missing: name a file, or give --sql.', {
    details: { option: 'input' },
  });
}

function hasSource(request: JobRequest): request is StartRequest {
  return 'input' in request.options || 'sql' in request.options;
}

/**
 * What the inputs and options of a command say. The first input may be a job file: options and further inputs take precedence over its
 * keys.
 * @throws BatchError `bad_option`, `bad_input`
 */
export async function readJob(
  inputs: readonly string[],
  flags: JobFlags & SourceFlags & OutputFlags,
): Promise<JobRequest> {
  const file = await jobFileOf(inputs);
  const { settings, names } = await readSource(flags, file?.options.params);
  const { input: _, ...job } = toJobOptions('', flags);
  const paths = file === null ? inputs : inputs.slice(1);
  const { input, sql, ...others }: Partial<StartOptions> & SourceOptions = { ...file?.options };
  const given = { input: paths.length === 0 ? undefined : paths, sql: settings.sql };
  const isGiven = given.input !== undefined || given.sql !== undefined;
  const sources = Object.entries(isGiven ? given : { input, sql }).filter(([, value]) => value !== undefined);
  const answer = flags.answer ?? file?.names.answer;
  const prices = flags.prices === undefined ? {} : { prices: await pricesOf(flags.prices) };
  return {
    options: {
      ...others,
      ...job,
      ...prices,
      ...settings,
      ...Object.fromEntries(sources),
    } as Partial<StartOptions>,
    names: {
      prompt: (flags.prompt === undefined && file?.names.prompt) || names.prompt!,
      system: (flags.system === undefined && file?.names.system) || names.system!,
      ...(answer === undefined ? {} : { answer }),
    },
    fresh: flags.fresh ?? false,
    outputs: { ...file?.outputs, ...outputFlagsOf(flags) },
    folder: isGiven ? undefined : file?.folder,
  };
}

/** YAML and the check are loaded only for a job file. */
async function jobFileOf(inputs: readonly string[]): Promise<ReadJobFile | null> {
  if (!isJobFile(inputs)) return null;
  const { readJobFile } = await import('./job-file/read-job-file.ts');
  return await readJobFile(inputs[0]!);
}

/** YAML and the check are loaded only for a price file. */
async function pricesOf(path: string): Promise<GivenPrices> {
  const { readPrices } = await import('./job-file/read-prices.ts');
  return await readPrices(path);
}

/** True if the first input is a job file. */
export function isJobFile([path]: readonly string[]): boolean {
  return path !== undefined && /\.job\.(ya?ml|json)$/i.test(path);
}

/** Resolves a start; the input `-` is standard input. */
export async function resolveRequest(
  { options, names, fresh, folder }: StartRequest,
  store: Store,
): Promise<ResolvedStart> {
  const usesStdin = 'input' in options && [options.input].flat().includes(STDIN);
  return await resolveStart(options, store, {
    fresh,
    names,
    ...(folder === undefined ? {} : { folder }),
    ...(usesStdin ? { stdin: process.stdin } : {}),
  });
}

/** One sentence about the documents that cannot be read; null if there are none. */
export function unreadableMessage({ stored }: ResolvedStart): string | null {
  const unreadable = stored?.unreadable ?? [];
  const [first] = unreadable;
  if (first === undefined) return null;
  const others = unreadable.length === 1 ? '' : `, and ${count(unreadable.length - 1)} more cannot be read`;
  return `${first.path} ${first.reason}${others}: a document that cannot be read ends as a failed row.`;
}

/** A start that is not sent, and its input as it is stored. */
export interface UnsentStart {
  readonly start: ResolvedStart;
  readonly input: InputReader;
}

/**
 * Resolves a start for a look at its requests, and leaves nothing behind: rows are stored in a folder of their own, which is deleted. Ends with
 * the sentence about documents that cannot be read.
 */
export async function withUnsentStart<T>(
  request: StartRequest,
  look: (unsent: UnsentStart) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'durable-batch-unsent-'));
  try {
    const store = openStore(folder);
    const start = await resolveRequest(request, store);
    const { spec, stored } = start;
    const path = stored === null ? spec.input.path : store.locationOf(inputFiles.rows(stored.sha256));
    const seen = await look({ start, input: jsonlInput(path) });
    const unreadable = unreadableMessage(start);
    if (unreadable !== null) process.stderr.write(`${unreadable}\n`);
    return seen;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Why a job would refuse its input; null if it would not. */
export function problemOf(
  { spec }: ResolvedStart,
  { requests, bad, firstBad }: FoundLines,
): BatchError | null {
  const { path } = spec.input;
  if (firstBad !== null && !spec.skipBadLines) {
    const { number: line, fault } = firstBad;
    const more = bad === 1 ? '' : ` ${count(bad - 1)} more are bad: --skip-bad-lines ends them as failed.`;
    const message = `${path}:${line}: the ${rowNoun(spec)} ${fault.reason}: ${fault.advice}.${more}`;
    return new BatchError(ErrorCode.BadInput, message, { details: { file: path, line } });
  }
  if (requests + bad > 0) return null; // as a source of rows always has
  return new BatchError(
    ErrorCode.BadInput,
    `${path}: the file holds no requests: write one JSON request per line.`,
    { details: { file: path } },
  );
}
