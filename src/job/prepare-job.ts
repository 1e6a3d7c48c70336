import { createHash, randomBytes } from 'node:crypto';
import { BatchError, ErrorCode } from '../core/errors.ts';
import {
  checkJobOptions,
  jobIdentity,
  jobIdStem,
  jobOptionNames,
  resolveJobSpec,
  type CheckedOptions,
  type InputFingerprint,
  type JobOptions,
  type JobSpec,
} from '../core/job-spec.ts';
import { assertKnownOptions } from '../core/known-options.ts';
import { readEnvironment } from '../environment.ts';
import { fingerprintInput } from '../input/fingerprint-input.ts';

/**
 * Checks the options, reads the input once and returns the job's spec; starts nothing.
 * With `fresh`, the job gets a new unique id.
 * @throws BatchError `bad_input`, `bad_option`
 */
export async function prepareJob(options: JobOptions, fresh: boolean = false): Promise<JobSpec> {
  assertInput(options);
  assertKnownOptions(options, jobOptionNames);
  const { input, ...others } = options;
  await assertGivenPrices(options);
  return nameJob(checkOptions(others, false), await fingerprintInput(input), { stem: input, fresh });
}

/**
 * Checks the options of a job besides its source.
 * @throws BatchError `bad_option`
 */
export function checkOptions(options: Omit<JobOptions, 'input'>, hasAnswer: boolean): CheckedOptions {
  return checkJobOptions(withEnvironment(options), hasAnswer);
}

/** Options with those that the environment gives where the caller gives none. */
export function withEnvironment<O extends Pick<JobOptions, 'account' | 'tokenLimits'>>(options: O): O {
  const environment = readEnvironment();
  const account = options.account ?? environment.account;
  const tokenLimits = options.tokenLimits ?? environment.tokenLimits;
  return {
    ...options,
    ...(account === null ? {} : { account }),
    ...(tokenLimits === null ? {} : { tokenLimits }),
  };
}

/**
 * Checks the prices of a job; the check is loaded only for a job that has some.
 * @throws BatchError `bad_option`
 */
export async function assertGivenPrices({ prices }: Pick<JobOptions, 'prices'>): Promise<void> {
  if (prices === undefined) return;
  const { assertPrices } = await import('../prices/price-schema.ts');
  assertPrices(prices);
}

/** The spec of a job; without an id of its own, it is named after `stem` and its identity. With `fresh`, its id is unique. */
export function nameJob(
  checked: CheckedOptions,
  input: InputFingerprint,
  { stem, fresh }: { readonly stem: string; readonly fresh: boolean },
): JobSpec {
  const hash = createHash('sha256').update(jobIdentity(checked, input.sha256)).digest('hex').slice(0, 12);
  const suffix = fresh ? `-${randomBytes(3).toString('hex')}` : '';
  const spec = resolveJobSpec(checked, input, `${jobIdStem(stem)}-${hash}`);
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
