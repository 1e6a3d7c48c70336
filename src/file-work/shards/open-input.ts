import { join } from 'node:path';
import type { JobSpec } from '../../core/job-spec.ts';
import type { InputReader } from '../../input/input-reader.ts';
import { jsonlInput } from '../../input/jsonl-input.ts';
import type { RequestTemplate } from '../../render/request-template.ts';
import { inputFiles } from '../../store/job-files.ts';
import type { ByteCounter } from '../byte-counter.ts';
import { imageReader } from '../requests/image-files.ts';
import type { IsAnswer } from '../rows/wrong-answer.ts';
import { renderedInput } from '../requests/rendered-input.ts';

/** The input of a job as request lines. */
export interface OpenedInput {
  readonly lines: InputReader;
  /** Whether the answer of an earlier job to the same request fits the schema of the template. @default every answer does */
  readonly isAnswer?: IsAnswer;
}

/**
 * Opens the input of a job; `folder` has the file of an input in the store. The template language and the validator of answers
 * are loaded only for a job with a template.
 * @throws Error when the template or the schema of its answers does not compile, without text of the template
 */
export async function openInput(
  folder: string,
  { spec, template }: { readonly spec: JobSpec; readonly template?: RequestTemplate },
  counter: ByteCounter,
): Promise<OpenedInput> {
  const { path, sha256, stored } = spec.input;
  const lines = jsonlInput(stored === true ? join(folder, inputFiles.rows(sha256)) : path, counter.around);
  if (template === undefined) return { lines };
  const { compileTemplate } = await import('../../render/compile-template.ts');
  const rules = template.answer === undefined ? null : await import('../rows/answer-rule.ts');
  const readImage = imageReader(spec.template?.imageFolder, spec.shardBytes, counter.around);
  try {
    const rendered = renderedInput(lines, compileTemplate(template, { readImage }));
    return rules === null
      ? { lines: rendered }
      : { lines: rendered, isAnswer: rules.answerCheck(template.answer!.schema) };
  } catch {
    // It compiled where the job was started; the message of the error quotes the template.
    throw new Error(
      `The request template of job ${spec.jobId} does not compile here: use the same version for all workers and clients.`,
    );
  }
}
