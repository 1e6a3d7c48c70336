import type { JobSpec } from '../../core/job-spec.ts';
import { requestHead, type RequestLine } from '../../core/request-line.ts';
import type { InputReader } from '../../input/input-reader.ts';
import type { TemplateNames } from '../../render/column-uses.ts';
import type { RequestTemplate } from '../../render/request-template.ts';
import { BodyOpenings } from './body-opening.ts';
import { imageReader } from './image-files.ts';
import { findRequests, type FoundLines } from './found-lines.ts';
import { lineBytes } from './read-requests.ts';
import { renderedInput } from './rendered-input.ts';
import { escapeSeparators } from './separators.ts';

/** What a job would send. */
export interface RequestPreview extends FoundLines {
  /** The first requests, exactly as they are uploaded, without the line feed. */
  readonly first: readonly string[];
  /** An upper bound of their bytes in uploaded files. */
  readonly bytes: number;
}

/** Options of `previewRequests`. */
export interface PreviewOptions {
  /** The job's defaults for lines, its limits and its folder of images. */
  readonly spec: Pick<JobSpec, 'model' | 'endpoint' | 'shardBytes' | 'template'>;
  /** Makes requests of the rows of the input; null for ready requests. */
  readonly template: RequestTemplate | null;
  /** The files of the template's texts, for messages. */
  readonly names?: TemplateNames;
}

/**
 * Checks every line of an input as a job does, and returns the first `count` requests.
 * @throws BatchError `bad_input` for a text that is not a template
 */
export async function previewRequests(
  input: InputReader,
  count: number,
  { spec, template, names = {} }: PreviewOptions,
): Promise<RequestPreview> {
  const first: string[] = [];
  const openings = new BodyOpenings();
  let bytes = 0;
  const lines = await requestLines(input, { spec, template, names });
  const found = findRequests(lines, spec, (number, block, request) => {
    bytes += lineBytes(request);
    if (first.length < count) first.push(uploaded(number, block, request, openings));
  });
  return { first, bytes, ...found };
}

/**
 * The input as request lines.
 * @throws BatchError `bad_input` for a text that is not a template
 */
export async function requestLines(
  input: InputReader,
  { spec, template, names = {} }: PreviewOptions,
): Promise<InputReader> {
  if (template === null) return input;
  const { compileTemplate } = await import('../../render/compile-template.ts');
  const readImage = imageReader(spec.template?.imageFolder, spec.shardBytes);
  return renderedInput(input, compileTemplate(template, { names, readImage }));
}

/** The request as `OpenShard` writes it. */
function uploaded(number: number, block: Buffer, request: RequestLine, openings: BodyOpenings): string {
  const { addsModel, model, bodyStart, bodyEnd } = request;
  const [before, behind] = requestHead(request.endpoint);
  const opening = addsModel ? openings.of(block, bodyStart, model) : '';
  const body = escapeSeparators(block.subarray(addsModel ? bodyStart + 1 : bodyStart, bodyEnd));
  return `${before}${number}${behind}${opening}${body.toString()}}`;
}
