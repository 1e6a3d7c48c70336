import { createHash } from 'node:crypto';
import { jobIdentity, type JobSpec } from '../core/job-spec.ts';

/** What tells two jobs of one id apart: input and options, as a hash. */
export function identityOf(spec: JobSpec): string {
  return createHash('sha256').update(jobIdentity(spec, spec.input.sha256)).digest('hex');
}

/** The first digits of it, which suffice in names of files of one job. */
export function shortIdentity(spec: JobSpec): string {
  return identityOf(spec).slice(0, 12);
}
