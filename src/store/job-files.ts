/**
 * The rooms of the store: every key of a job, in the order of its life. A person looking for a shard's bytes
 * and a crash that must be resumed both start here.
 */

/** The keys of one job. */
export const jobFiles = {
  /** What the job is: the spec it was started with. */
  spec: (job: string): string => `jobs/${job}/job.json`,
  /** Where its input was when it was last started under another path, before its shards were built; see `inputPathOf`. */
  input: (job: string): string => `jobs/${job}/input.json`,
  /** Where its batches live; see `claimJobApi`. */
  api: (job: string): string => `jobs/${job}/api.json`,
  /**
   * Where the files of round 1 are made, one folder for each input and options that were tried under the job's id, and for each run
   * of its workflow where it belongs to a series; each file behind its key. They get their places when the plan that names `word` is
   * on record: so an attempt with another input, which stood still, writes nothing among them.
   */
  building: (job: string, word: string): string => `jobs/${job}/building/${word}`,
  /** All of these. */
  buildings: (job: string): string => `jobs/${job}/building`,
  /** A round's shards, written when all of them are; see `RoundPlan`. */
  round: (job: string, round: number): string => `jobs/${job}/rounds/${round}.json`,
  /** Rows of input lines that were refused, with `--skip-bad-lines`. */
  rejected: (job: string): string => `jobs/${job}/rejected.jsonl`,
  /** Whose answers a job of a series uses, claimed before its shards are built; one for each `word` of `building`. */
  earlier: (job: string, word: string): string => `jobs/${job}/earlier-${word}.json`,
  /** Index of what an earlier job that came to no end had answered when this one looked; `word` is drawn by the attempt. */
  earlierIndex: (job: string, word: string): string => `jobs/${job}/earlier-${word}.index`,
  /** Rows of lines that an earlier job of its series has answered, with `--only-new`. */
  kept: (job: string): string => `jobs/${job}/kept.jsonl`,
  /** Written when a cancel is accepted: from then on the job stays cancelled, for this pass over its lines. */
  cancelled: (job: string, pass: number): string =>
    `jobs/${job}/cancelled${pass === 0 ? '' : `-${pass}`}.json`,
  /** Written when the n-th pass over lines without an answer is asked for; see `store/job-pass.ts`. */
  pass: (job: string, n: number): string => `jobs/${job}/pass-${n}.json`,
  /** Written when `--rebuy` is given for a job that was started without it: from then on lost answers are bought again. */
  rebuy: (job: string): string => `jobs/${job}/rebuy.json`,
  results: (job: string): string => `jobs/${job}/results.jsonl`,
  /** The report for people; absent where it could not be drawn, and for jobs of version 0.1. */
  page: (job: string): string => `jobs/${job}/report.html`,
  /** Written last. */
  report: (job: string): string => `jobs/${job}/report.json`,
  /**
   * Index of what a finished job of so many rounds has answered, for later jobs of its series; see `file-work/earlier/answer-index.ts`.
   * Another pass over its lines adds rounds, and leaves this as it is: a list of earlier jobs may name it.
   */
  answers: (job: string, rounds: number): string => `jobs/${job}/answers-${rounds}.index`,
} as const;

/** The keys of requests and options. */
export const identityFiles = {
  /** Which job was started first of an input and options, by their hash; see `joinSameJob`. */
  first: (identity: string): string => `identities/${identity}.json`,
} as const;

/** The keys of one series of jobs, which may be the runs of a schedule; its jobs have theirs. See `store/series.ts`. */
export const seriesFiles = {
  /** A record for each run of the schedule that has a job, under the job's id. */
  runs: (schedule: string): string => `schedules/${schedule}/runs`,
  run: (schedule: string, job: string): string => `schedules/${schedule}/runs/${job}.json`,
  /** A record for each run of a job's workflow that has asked for the answers of the series, in order. */
  entries: (series: string): string => `schedules/${series}/entries`,
  entry: (series: string, n: number): string =>
    `schedules/${series}/entries/${String(n).padStart(8, '0')}.json`,
} as const;

/** The keys of one shard of a job. */
export const shardFiles = {
  /** What it holds; see `ShardManifest`. */
  manifest: (job: string, shard: string): string => `jobs/${job}/shards/${shard}/shard.json`,
  /** The bytes that are uploaded. */
  requests: (job: string, shard: string): string => `jobs/${job}/shards/${shard}/requests.jsonl`,
  /** The users' ids of its lines, one JSON string a line, in order; only where a line has one. */
  ids: (job: string, shard: string): string => `jobs/${job}/shards/${shard}/ids.jsonl`,
  /** The n-th upload of its requests. */
  upload: (job: string, shard: string, n: number): string => `jobs/${job}/shards/${shard}/upload-${n}.json`,
  /** Written before the p-th POST that shall create its n-th batch. */
  intent: (job: string, shard: string, n: number, post: number): string =>
    `jobs/${job}/shards/${shard}/batch-${n}.intent-${post}.json`,
  /** Written after the k-th search in vain that came before the p-th POST. */
  searched: (job: string, shard: string, n: number, post: number, k: number): string =>
    `jobs/${job}/shards/${shard}/batch-${n}.searched-${post}-${k}.json`,
  /** The API's word that the p-th POST made no batch. */
  refusal: (job: string, shard: string, n: number, post: number): string =>
    `jobs/${job}/shards/${shard}/batch-${n}.refused-${post}.json`,
  /** The API's final refusal of its file or batch; see `activities/step/keep-refusal.ts`. */
  refused: (job: string, shard: string): string => `jobs/${job}/shards/${shard}/refused.json`,
  /** Its n-th batch. */
  batch: (job: string, shard: string, n: number): string => `jobs/${job}/shards/${shard}/batch-${n}.json`,
  /** The n-th batch's object as the API showed it when it had ended. */
  ended: (job: string, shard: string, n: number): string =>
    `jobs/${job}/shards/${shard}/batch-${n}.ended.json`,
  /** When lines of its n-th batch were first found to have no row; from then on the API is asked again for a while. */
  missed: (job: string, shard: string, n: number): string =>
    `jobs/${job}/shards/${shard}/batch-${n}.missed.json`,
  /** Since when the API does not know its n-th batch, whose end it has shown, while lines of it have no row. */
  unknown: (job: string, shard: string, n: number): string =>
    `jobs/${job}/shards/${shard}/batch-${n}.unknown.json`,
  /** Batches that were created besides its n-th one; see `activities/batches/duplicate-batches.ts`. */
  duplicates: (job: string, shard: string, n: number): string =>
    `jobs/${job}/shards/${shard}/batch-${n}.duplicates.json`,
  /** The output of one of them, by its id. */
  duplicateOutput: (job: string, shard: string, n: number, batchId: string): string =>
    `jobs/${job}/shards/${shard}/batch-${n}.duplicate-${batchId.replaceAll(/[^A-Za-z0-9_-]/g, '_')}.output.jsonl`,
  output: (job: string, shard: string, n: number): string =>
    `jobs/${job}/shards/${shard}/batch-${n}.output.jsonl`,
  errors: (job: string, shard: string, n: number): string =>
    `jobs/${job}/shards/${shard}/batch-${n}.errors.jsonl`,
  /**
   * Rows of the lines that ended here, as they will stand in the results. Each attempt writes a file of its own, whose `word` its
   * outcome names: so the rows are those of the outcome that counts, whoever else writes.
   */
  rows: (job: string, shard: string, word: string | undefined): string =>
    `jobs/${job}/shards/${shard}/${word === undefined ? 'rows' : `rows-${word}`}.jsonl`,
  /** How its lines ended and which go again; see `ShardOutcome`. Written last. */
  outcome: (job: string, shard: string): string => `jobs/${job}/shards/${shard}/outcome.json`,
} as const;
