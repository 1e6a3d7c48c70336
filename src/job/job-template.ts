import { BatchError, ErrorCode } from '../core/errors.ts';
import type { TemplateReference } from '../core/job-spec.ts';
import { canonicalTemplate, type RequestTemplate } from '../render/request-template.ts';
import { keepHashed, readHashed, sha256Of } from '../store/hashed-text.ts';
import { inputFiles } from '../store/job-files.ts';
import type { Store } from '../store/store.ts';

/*
 * The request template of a job. The process that starts the job checks it and writes it to the store, at a key made of its hash; the
 * job carries the hash. zod is loaded only for a job with a template.
 */

/** The reference that a job carries. `imageFolder` is the absolute path of the folder of images with a relative path. */
export function templateReference(template: RequestTemplate, imageFolder: string): TemplateReference {
  const sha256 = sha256Of(canonicalTemplate(template));
  return template.images === undefined ? { sha256 } : { sha256, imageFolder };
}

/** Writes a checked template to the store. Every call with the same template writes the same value. */
export async function keepTemplate(store: Store, template: RequestTemplate): Promise<void> {
  await keepHashed(store, inputFiles.template, canonicalTemplate(template));
}

/**
 * Reads the template of a job.
 * @throws BatchError `bad_input` when the store has no such template, or this version does not know a field of it
 */
export async function readTemplate(store: Store, { sha256 }: TemplateReference): Promise<RequestTemplate> {
  const found = await readHashed(store, inputFiles.template, sha256);
  if (!('text' in found)) {
    throw new BatchError(
      ErrorCode.BadInput,
      `The request template of the job is ${found.problem} (${inputFiles.template(sha256)}): start the job again with the same command, which writes it again.`,
    );
  }
  const { parseRequestTemplate } = await import('../render/template-schema.ts');
  try {
    return parseRequestTemplate(JSON.parse(found.text));
  } catch {
    // A newer version wrote it: rendered without a field that is unknown here, it would buy other answers.
    throw new BatchError(
      ErrorCode.BadInput,
      'The request template of the job was written by another version of durable-batch: use the same version for all workers and clients.',
    );
  }
}
