/**
 * What a pool thread can do. Each task works on whole files of one job and answers a few numbers;
 * tasks take one argument, the tuple of what they need.
 */
import type { JobSpec } from '../core/job-spec.ts';
import type { PaidTwice, RoundPlan, ShardOutcome } from '../core/shard-plan.ts';
import type { ModelRates } from '../core/token-cost.ts';
import { ByteCounter } from './byte-counter.ts';
import * as build from './build-shards.ts';
import type { EarlierAnswers } from './find-known-lines.ts';
import * as index from './index-answers.ts';
import * as merge from './merge-rows.ts';
import * as rebuy from './pack-rebuys.ts';
import * as pack from './pack-retries.ts';
import * as settle from './settle-shard.ts';
import * as unsent from './unsent-shard.ts';

export const buildShards = ([folder, spec, counter, earlier, under]: [
  folder: string,
  spec: JobSpec,
  counter: SharedArrayBuffer,
  earlier: readonly EarlierAnswers[] | null,
  under: string,
]): build.BuildResult => build.buildShards(folder, spec, new ByteCounter(counter), earlier, under);

export const indexAnswers = ([folder, job, rounds, target]: [
  folder: string,
  job: string,
  rounds: number,
  target: string,
]): number | null => index.indexAnswers(folder, job, rounds, target);

export const settleShard = ([folder, ended]: [folder: string, ended: settle.EndedShard]):
  | settle.ClaimedOutcome
  | settle.MissingRows => settle.settleShard(folder, ended);

export const refuseShard = ([folder, refused]: [
  folder: string,
  refused: unsent.RefusedShard,
]): settle.ClaimedOutcome => unsent.refuseShard(folder, refused);

export const countAnswers = ([folder, job, shard, path, rates]: [
  folder: string,
  job: string,
  shard: string,
  path: string,
  rates: ModelRates | null | undefined,
]): PaidTwice => settle.countAnswers(folder, job, shard, path, rates);

export const cancelShard = ([folder, job, shard]: [
  folder: string,
  job: string,
  shard: string,
]): ShardOutcome => unsent.cancelShard(folder, job, shard);

export const packRetries = ([folder, round]: [folder: string, round: pack.RetryRound]): RoundPlan =>
  pack.packRetries(folder, round);

export const packRebuys = ([folder, round]: [folder: string, round: rebuy.RebuyRound]): RoundPlan =>
  rebuy.packRebuys(folder, round);

export const mergeRows = ([paths, target, counter, replacing, examples]: [
  paths: readonly string[],
  target: string,
  counter: SharedArrayBuffer,
  replacing: number,
  examples: number,
]): merge.MergedRows => merge.mergeRows(paths, target, new ByteCounter(counter), replacing, examples);
