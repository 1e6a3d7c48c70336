import { isLineFault, requestHead, type LineFault } from '../../core/request-line.ts';
import { MAX_BATCH_BYTES } from '../../core/limits.ts';
import type { InputReader } from '../../input/input-reader.ts';
import type { TemplateNames } from '../../render/column-uses.ts';
import type { RequestTemplate } from '../../render/request-template.ts';
import { imageReader } from './image-files.ts';
import { readRequests } from './read-requests.ts';
import { renderedInput } from './rendered-input.ts';
import { escapeSeparators } from './separators.ts';

/** A row of a preview: its request as it is uploaded, without the line feed, or why it has none. */
export type PreviewedRow = { readonly number: number } & (
  | { readonly request: string }
  | { readonly fault: LineFault }
);

/** Options of `previewRequests`. */
export interface PreviewOptions {
  /** The files of the template's texts, for messages. */
  readonly names?: TemplateNames;
  /** The folder of images with a relative path. */
  readonly imageFolder?: string;
}

/**
 * The first `count` requests that a template makes of rows, exactly as a job sends them.
 * @throws BatchError `bad_input` for a text that is not a template
 */
export async function previewRequests(
  template: RequestTemplate,
  rows: InputReader,
  count: number,
  { names = {}, imageFolder }: PreviewOptions = {},
): Promise<PreviewedRow[]> {
  const { compileTemplate } = await import('../../render/compile-template.ts');
  const renderer = compileTemplate(template, { names, readImage: imageReader(imageFolder, MAX_BATCH_BYTES) });
  const previewed: PreviewedRow[] = [];
  // Readers read to the end: further rows are not rendered.
  const first: InputReader = {
    read: ({ onRow, ...reading }) =>
      rows.read({ ...reading, onRow: (block, row) => previewed.length < count && onRow(block, row) }),
  };
  readRequests(renderedInput(first, renderer), {
    spec: { model: null, endpoint: null, shardBytes: MAX_BATCH_BYTES },
    onBytes: () => undefined,
    onLine: ({ number, block, request }) => {
      if (isLineFault(request)) previewed.push({ number, fault: request });
      else {
        const [before, behind] = requestHead(request.endpoint);
        const body = escapeSeparators(block.subarray(request.bodyStart, request.bodyEnd));
        previewed.push({ number, request: `${before}${number}${behind}${body.toString()}}` });
      }
      return previewed.length < count;
    },
  });
  return previewed;
}
