import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { rowNoun } from '../core/job-spec.ts';
import { Endpoint, MAX_PACKED_LINES } from '../core/limits.ts';
import { count } from '../core/number-format.ts';
import { previewRequests, type RequestPreview } from '../file-work/requests/preview-requests.ts';
import { jsonlInput } from '../input/jsonl-input.ts';
import type { ResolvedStart } from '../job/start-options.ts';
import { inputFiles } from '../store/job-files.ts';
import { openStore } from '../store/open-store.ts';
import { resolveRequest, unreadableMessage, type StartRequest } from './read-start.ts';
import { toJson } from './to-json.ts';

/** Requests that a dry run prints. */
const SHOWN = 3;

/**
 * Prints the first requests of a job exactly as they would be sent, and the counts. It sends nothing, calls no server, and leaves nothing
 * behind: the rows are stored in a folder of their own, which is deleted.
 * @throws BatchError `bad_input` for the first bad line, unless `skipBadLines`, after the counts are printed
 */
export async function dryRun(request: StartRequest, isJson: boolean): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'durable-batch-dry-run-'));
  try {
    const store = openStore(folder);
    const start = await resolveRequest(request, store);
    const { spec, template, stored } = start;
    const path = stored === null ? spec.input.path : store.locationOf(inputFiles.rows(stored.sha256));
    const preview = await previewRequests(jsonlInput(path), SHOWN, { spec, template, names: request.names });
    process.stdout.write(isJson ? `${toJson(asJson(start, preview))}\n` : `${asText(start, preview)}\n`);
    const unreadable = unreadableMessage(start);
    if (unreadable !== null) process.stderr.write(`${unreadable}\n`);
    const problem = problemOf(start, preview);
    if (problem !== null) throw problem;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function asText({ spec, template }: ResolvedStart, { first, requests, bytes, bad }: RequestPreview): string {
  const noun = rowNoun(spec);
  const counts = `${count(requests)} ${requests === 1 ? 'request' : 'requests'}, ${count(bad)} bad`;
  return [
    ...first,
    `${`${noun}s`.padEnd(12)}${count(requests + bad)}: ${counts}`,
    `bytes       ${count(bytes)}`,
    ...(template?.endpoint === Endpoint.Embeddings
      ? [`packed      up to ${MAX_PACKED_LINES} rows are sent as one request, with a list of their texts`]
      : []),
    'dry run     nothing was sent',
  ].join('\n');
}

function asJson({ spec }: ResolvedStart, preview: RequestPreview): object {
  const { first, requests, bytes, bad, firstBad } = preview;
  return {
    input: spec.input.path,
    first: first.map((text) => JSON.parse(text) as unknown),
    requests,
    bytes,
    bad,
    first_bad: firstBad === null ? null : { line: firstBad.number, ...firstBad.fault },
  };
}

function problemOf({ spec }: ResolvedStart, { requests, bad, firstBad }: RequestPreview): BatchError | null {
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
