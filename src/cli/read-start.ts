import { BatchError, ErrorCode } from '../core/errors.ts';
import { count } from '../core/number-format.ts';
import { STDIN } from '../job/row-source-options.ts';
import { resolveStart, type ResolvedStart, type StartOptions } from '../job/start-options.ts';
import type { TemplateNames } from '../render/column-uses.ts';
import type { Store } from '../store/store.ts';
import { toJobOptions, type JobFlags } from './job-options.ts';
import { readSource, type SourceFlags } from './source-options.ts';

/** What a command line asks to start. */
export interface StartRequest {
  readonly options: StartOptions;
  readonly names: TemplateNames;
  readonly fresh: boolean;
}

/**
 * The start that the inputs and options of a command describe.
 * @throws BatchError `bad_option`, `bad_input`
 */
export async function readStart(
  inputs: readonly string[],
  flags: JobFlags & SourceFlags,
): Promise<StartRequest> {
  const { settings, names } = await readSource(flags);
  const { input: _, ...job } = toJobOptions('', flags);
  if (inputs.length === 0 && settings.sql === undefined) {
    throw new BatchError(ErrorCode.BadOption, 'The input is missing: name a file, or give --sql.', {
      details: { option: 'input' },
    });
  }
  const options = { ...job, ...settings, ...(inputs.length === 0 ? {} : { input: inputs }) };
  return { options: options as StartOptions, names, fresh: flags.fresh ?? false };
}

/** Resolves a start; the input `-` is standard input. */
export async function resolveRequest(
  { options, names, fresh }: StartRequest,
  store: Store,
): Promise<ResolvedStart> {
  const usesStdin = 'input' in options && options.input.includes(STDIN);
  return await resolveStart(options, store, {
    fresh,
    names,
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
