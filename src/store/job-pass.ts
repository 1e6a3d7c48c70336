import type { JobReport } from '../core/progress.ts';
import { jobFiles } from './job-files.ts';
import { claimRecord, readRecord, type Store } from './store.ts';

/** The state of a job when another pass over its lines without an answer was requested. */
export interface PassRecord {
  /** Its last round. */
  readonly round: number;
  readonly report: JobReport;
}

/** The last round of a job that has a plan; 0 when there is none. */
export async function lastRound(store: Store, job: string): Promise<number> {
  let round = 0;
  while ((await store.size(jobFiles.round(job, round + 1))) !== null) round += 1;
  return round;
}

/** The number of further passes over lines without an answer that were requested; 0 for most jobs. */
export async function currentPass(store: Store, job: string): Promise<number> {
  let pass = 0;
  while ((await store.size(jobFiles.pass(job, pass + 1))) !== null) pass += 1;
  return pass;
}

/**
 * Requests another pass of a job that has ended with a report, and removes the report. A crash in between is safe: the second call
 * finds the pass that was requested last and has not begun.
 */
export async function requestPass(store: Store, job: string, report: JobReport): Promise<void> {
  const round = await lastRound(store, job);
  const last = await currentPass(store, job);
  const before = last === 0 ? null : await readPass(store, job, last);
  if (before?.round !== round)
    await claimRecord<PassRecord>(store, jobFiles.pass(job, last + 1), { round, report });
  await store.remove(jobFiles.report(job));
}

/** The record of a requested pass. */
export async function readPass(store: Store, job: string, pass: number): Promise<PassRecord> {
  return (await readRecord<PassRecord>(store, jobFiles.pass(job, pass)))!;
}

/** Records that the job is cancelled in this pass. */
export async function recordCancel(store: Store, job: string, pass: number): Promise<void> {
  await claimRecord(store, jobFiles.cancelled(job, pass), { at: Date.now() });
}
