import { createHash } from 'node:crypto';
import { jobIdentity, type JobSpec } from '../core/job-spec.ts';

/** A hash of a job's input and options: two jobs with the same id and different hashes are different jobs. */
export function identityOf(spec: JobSpec): string {
  return createHash('sha256').update(jobIdentity(spec, spec.input.sha256)).digest('hex');
}

/** The first digits of the identity, which suffice in names of files of one job. */
export function shortIdentity(spec: JobSpec): string {
  return identityOf(spec).slice(0, 12);
}
