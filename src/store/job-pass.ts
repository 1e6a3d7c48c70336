import type { JobReport } from '../core/progress.ts';
import { jobFiles } from './job-files.ts';
import { claimRecord, readRecord, type Store } from './store.ts';

/** Where a job stood when another pass over its lines without an answer was asked for. */
export interface PassRecord {
  /** Its last round. */
  readonly round: number;
  readonly report: JobReport;
}

/** The last round of a job that has a plan; 0 where none has. */
export async function lastRound(store: Store, job: string): Promise<number> {
  let round = 0;
  while ((await store.size(jobFiles.round(job, round + 1))) !== null) round += 1;
  return round;
}

/** How many further passes over its lines without an answer a job has been asked for; 0 for most. */
export async function currentPass(store: Store, job: string): Promise<number> {
  let pass = 0;
  while ((await store.size(jobFiles.pass(job, pass + 1))) !== null) pass += 1;
  return pass;
}

/**
 * Asks for another pass of a job that has ended with a report, which then goes. Dying in between is safe: the pass that was
 * asked for last, and has not begun, is asked for again.
 */
export async function requestPass(store: Store, job: string, report: JobReport): Promise<void> {
  const round = await lastRound(store, job);
  const last = await currentPass(store, job);
  const before = last === 0 ? null : await readPass(store, job, last);
  if (before?.round !== round)
    await claimRecord<PassRecord>(store, jobFiles.pass(job, last + 1), { round, report });
  await store.remove(jobFiles.report(job));
}

/** The record of a pass that was asked for. */
export async function readPass(store: Store, job: string, pass: number): Promise<PassRecord> {
  return (await readRecord<PassRecord>(store, jobFiles.pass(job, pass)))!;
}

/** Keeps that the job is cancelled, in this pass. */
export async function recordCancel(store: Store, job: string, pass: number): Promise<void> {
  await claimRecord(store, jobFiles.cancelled(job, pass), { at: Date.now() });
}
