import { createHash, randomBytes } from 'node:crypto';
import { BatchError, ErrorCode } from '../core/errors.ts';
import {
  checkJobOptions,
  jobIdentity,
  jobIdStem,
  jobOptionNames,
  resolveJobSpec,
  type JobOptions,
  type JobSpec,
} from '../core/job-spec.ts';
import { assertKnownOptions } from '../core/known-options.ts';
import { readEnvironment } from '../environment.ts';
import { fingerprintInput } from '../input/fingerprint-input.ts';
import type { RequestTemplate } from '../render/request-template.ts';
import { templateReference } from './job-template.ts';

/**
 * Checks the options, reads the input once and returns the job's spec; starts nothing.
 * With `fresh`, the job gets a new unique id. With a template, the input is rows.
 * @throws BatchError `bad_input`, `bad_option`
 */
export async function prepareJob(
  options: JobOptions,
  fresh: boolean = false,
  template: RequestTemplate | null = null,
): Promise<JobSpec> {
  assertInput(options);
  assertKnownOptions(options, jobOptionNames);
  const account = options.account ?? readEnvironment().account;
  const checked = {
    ...checkJobOptions(account === null ? options : { ...options, account }, template?.answer !== undefined),
    ...(template === null ? {} : { template: templateReference(template, options.input) }),
  };
  const input = await fingerprintInput(options.input);
  const hash = createHash('sha256').update(jobIdentity(checked, input.sha256)).digest('hex').slice(0, 12);
  const suffix = fresh ? `-${randomBytes(3).toString('hex')}` : '';
  const spec = resolveJobSpec(checked, input, `${jobIdStem(options.input)}-${hash}`);
  return suffix === '' ? spec : { ...spec, jobId: `${spec.jobId}${suffix}` };
}

/** JavaScript callers have no type check. */
function assertInput(options: JobOptions): void {
  const input = (options as Partial<JobOptions> | undefined)?.input;
  if (typeof input === 'string' && input !== '') return;
  throw new BatchError(ErrorCode.BadOption, 'Option input must be the path of a .jsonl file.', {
    details: { option: 'input' },
  });
}
