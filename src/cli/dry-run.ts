import { rowNoun } from '../core/job-spec.ts';
import { Endpoint } from '../core/limits.ts';
import { count } from '../core/number-format.ts';
import { previewRequests, type RequestPreview } from '../file-work/requests/preview-requests.ts';
import type { ResolvedStart } from '../job/start-options.ts';
import { problemOf, withUnsentStart, type StartRequest } from './read-start.ts';
import { PACKED_LINE } from './render-estimate.ts';
import { toJson } from './to-json.ts';

/** Requests that a dry run prints. */
const SHOWN = 3;

/**
 * Prints the first requests of a job exactly as they would be sent, and the counts. It sends nothing, calls no server, and leaves nothing
 * behind.
 * @throws BatchError `bad_input` for the first bad line, unless `skipBadLines`, after the counts are printed
 */
export async function dryRun(request: StartRequest, isJson: boolean): Promise<void> {
  const problem = await withUnsentStart(request, async ({ start, input }) => {
    const { spec, template } = start;
    const preview = await previewRequests(input, SHOWN, { spec, template, names: request.names });
    process.stdout.write(isJson ? `${toJson(asJson(start, preview))}\n` : `${asText(start, preview)}\n`);
    return problemOf(start, preview);
  });
  if (problem !== null) throw problem;
}

function asText({ spec, template }: ResolvedStart, { first, requests, bytes, bad }: RequestPreview): string {
  const noun = rowNoun(spec);
  const counts = `${count(requests)} ${requests === 1 ? 'request' : 'requests'}, ${count(bad)} bad`;
  return [
    ...first,
    `${`${noun}s`.padEnd(12)}${count(requests + bad)}: ${counts}`,
    `bytes       ${count(bytes)}`,
    ...(template?.endpoint === Endpoint.Embeddings ? [PACKED_LINE] : []),
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
