/**
 * All keys of the store. Those of a job are in the order in which they are written.
 */

/** The keys of one job. */
export const jobFiles = {
  /** The folder of all jobs, in which each has a folder by its id. */
  all: 'jobs',
  /** What the job is: the spec it was started with. */
  spec: (job: string): string => `jobs/${job}/job.json`,
  /** The path of its input at its last start under another path, before its shards were built; see `inputPathOf`. */
  input: (job: string): string => `jobs/${job}/input.json`,
  /** The API that has its batches; see `claimJobApi`. */
  api: (job: string): string => `jobs/${job}/api.json`,
  /**
   * Folder in which the files of round 1 are built, each under its key. There is one per input and options tried under the job's id and,
   * for a job that uses earlier answers, per run of its workflow. The files move to their final keys once the plan that names `attempt` is on
   * record: an attempt with another input that was stalled meanwhile cannot write among them.
   */
  building: (job: string, attempt: string): string => `jobs/${job}/building/${attempt}`,
  /** The folder of all attempts. */
  buildings: (job: string): string => `jobs/${job}/building`,
  /** A round's plan, written after all of its shards; see `RoundPlan`. */
  round: (job: string, round: number): string => `jobs/${job}/rounds/${round}.json`,
  /** Rows of input lines that were refused, with `--skip-bad-lines`. */
  rejected: (job: string): string => `jobs/${job}/rejected.jsonl`,
  /** The jobs whose answers a job reuses (`--only-new`, `--reuse`), claimed before its shards are built; one for each `attempt` of `building`. */
  earlier: (job: string, attempt: string): string => `jobs/${job}/earlier-${attempt}.json`,
  /** Index of the answers that an unfinished earlier job had when this job read it; `random` is drawn by the attempt. */
  earlierIndex: (job: string, random: string): string => `jobs/${job}/earlier-${random}.index`,
  /** Rows of lines that already have an answer from an earlier job. */
  kept: (job: string): string => `jobs/${job}/kept.jsonl`,
  /** Written when a cancel is accepted: the job then stays cancelled for this pass over its lines. */
  cancelled: (job: string, pass: number): string =>
    `jobs/${job}/cancelled${pass === 0 ? '' : `-${pass}`}.json`,
  /** Written when the n-th pass over lines without an answer is requested; see `store/job-pass.ts`. */
  pass: (job: string, n: number): string => `jobs/${job}/pass-${n}.json`,
  /** Written when `--rebuy` is given for a job that was started without it: lost answers are then bought again. */
  rebuy: (job: string): string => `jobs/${job}/rebuy.json`,
  results: (job: string): string => `jobs/${job}/results.jsonl`,
  /** The report for people; absent where it could not be drawn, and for jobs of version 0.1. */
  page: (job: string): string => `jobs/${job}/report.html`,
  /** Written last. */
  report: (job: string): string => `jobs/${job}/report.json`,
  /**
   * Index of the answers of a finished job with this number of rounds, for later jobs that use them; see `file-work/earlier/answer-index.ts`.
   * Another pass over its lines adds rounds and does not change this file: a list of earlier jobs may name it.
   */
  answers: (job: string, rounds: number): string => `jobs/${job}/answers-${rounds}.index`,
} as const;

/** The keys of requests and options. */
export const identityFiles = {
  /** The first job that was started with an input and options, by their hash; see `joinSameJob`. */
  first: (identity: string): string => `identities/${identity}.json`,
} as const;

/** The keys of one series of jobs, which may be the runs of a schedule. See `store/series.ts`. */
export const seriesFiles = {
  /** One record per run of the schedule that has a job, under the job's id. */
  runs: (schedule: string): string => `schedules/${schedule}/runs`,
  run: (schedule: string, job: string): string => `schedules/${schedule}/runs/${job}.json`,
  /** One record per run of a job's workflow that has asked for the answers of the series, in order. */
  entries: (series: string): string => `schedules/${series}/entries`,
  entry: (series: string, n: number): string =>
    `schedules/${series}/entries/${String(n).padStart(8, '0')}.json`,
} as const;

/** The keys of one shard of a job. */
export const shardFiles = {
  /** Its lines, model and endpoint; see `ShardManifest`. */
  manifest: (job: string, shard: string): string => `jobs/${job}/shards/${shard}/shard.json`,
  /** One request per line; the bytes that are uploaded, unless lines share requests. */
  requests: (job: string, shard: string): string => `jobs/${job}/shards/${shard}/requests.jsonl`,
  /** The bytes that are uploaded if lines share requests, see `ShardManifest.packs`. */
  packed: (job: string, shard: string): string => `jobs/${job}/shards/${shard}/packed.jsonl`,
  /** The users' ids of its lines, one JSON string a line, in order; only where a line has one. */
  ids: (job: string, shard: string): string => `jobs/${job}/shards/${shard}/ids.jsonl`,
  /** The n-th upload of its requests. */
  upload: (job: string, shard: string, n: number): string => `jobs/${job}/shards/${shard}/upload-${n}.json`,
  /** Written before the p-th POST to create its n-th batch. */
  intent: (job: string, shard: string, n: number, post: number): string =>
    `jobs/${job}/shards/${shard}/batch-${n}.intent-${post}.json`,
  /** Written after the k-th search before the p-th POST that found no batch. */
  searched: (job: string, shard: string, n: number, post: number, k: number): string =>
    `jobs/${job}/shards/${shard}/batch-${n}.searched-${post}-${k}.json`,
  /** The API's response that the p-th POST created no batch. */
  refusal: (job: string, shard: string, n: number, post: number): string =>
    `jobs/${job}/shards/${shard}/batch-${n}.refused-${post}.json`,
  /** The API's final refusal of its file or batch; see `activities/step/keep-refusal.ts`. */
  refused: (job: string, shard: string): string => `jobs/${job}/shards/${shard}/refused.json`,
  /** Its n-th batch. */
  batch: (job: string, shard: string, n: number): string => `jobs/${job}/shards/${shard}/batch-${n}.json`,
  /** The n-th batch's object as the API returned it after the batch had ended. */
  ended: (job: string, shard: string, n: number): string =>
    `jobs/${job}/shards/${shard}/batch-${n}.ended.json`,
  /** The time when lines of its n-th batch were first found to have no row; the API is then asked again for a while. */
  missed: (job: string, shard: string, n: number): string =>
    `jobs/${job}/shards/${shard}/batch-${n}.missed.json`,
  /** The time since which the API does not know its n-th batch, although it had reported its end, while lines of it have no row. */
  unknown: (job: string, shard: string, n: number): string =>
    `jobs/${job}/shards/${shard}/batch-${n}.unknown.json`,
  /** Duplicates of its n-th batch; see `activities/batches/duplicate-batches.ts`. */
  duplicates: (job: string, shard: string, n: number): string =>
    `jobs/${job}/shards/${shard}/batch-${n}.duplicates.json`,
  /** The output of a duplicate, by its batch id. */
  duplicateOutput: (job: string, shard: string, n: number, batchId: string): string =>
    `jobs/${job}/shards/${shard}/batch-${n}.duplicate-${batchId.replaceAll(/[^A-Za-z0-9_-]/g, '_')}.output.jsonl`,
  output: (job: string, shard: string, n: number): string =>
    `jobs/${job}/shards/${shard}/batch-${n}.output.jsonl`,
  errors: (job: string, shard: string, n: number): string =>
    `jobs/${job}/shards/${shard}/batch-${n}.errors.jsonl`,
  /**
   * Rows of the lines that ended here, as in the results. Each attempt writes a file of its own, and its outcome names the file's `id`:
   * the rows are always those of the outcome that counts, even if other attempts write too.
   */
  rows: (job: string, shard: string, id: string | undefined): string =>
    `jobs/${job}/shards/${shard}/${id === undefined ? 'rows' : `rows-${id}`}.jsonl`,
  /** The feedback on wrong answers for the next requests of its lines, for the outcome that names the rows with this `id`. */
  feedback: (job: string, shard: string, id: string): string =>
    `jobs/${job}/shards/${shard}/feedback-${id}.jsonl`,
  /** How its lines ended, and which lines are sent again; see `ShardOutcome`. Written last. */
  outcome: (job: string, shard: string): string => `jobs/${job}/shards/${shard}/outcome.json`,
} as const;

/** The keys of inputs that are tables, and of request templates, each by the sha256 of its content. */
export const inputFiles = {
  /** One JSON object per row, in the order of the source; see `input/table/materialize-rows.ts`. */
  rows: (sha256: string): string => `inputs/${sha256}/rows.jsonl`,
  /** Their columns and number, by a hash of the columns; written before the rows. */
  columns: (sha256: string, id: string): string => `inputs/${sha256}/columns-${id}.json`,
  /** A request template in its canonical form; see `job/job-template.ts`. */
  template: (sha256: string): string => `inputs/${sha256}/template.json`,
  /** How the runs of a schedule make requests of rows; see `job/schedule-rows.ts`. */
  scheduleRows: (sha256: string): string => `inputs/${sha256}/schedule-rows.json`,
  /** The folder in which rows are written until their hash is known. */
  building: 'inputs/building',
} as const;
