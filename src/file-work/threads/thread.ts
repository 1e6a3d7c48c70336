/** The steps of a pool thread. Each step works on whole files of a folder and returns a few numbers. */
import { ByteCounter } from '../byte-counter.ts';
import type { ShardTokens } from '../../core/shard-plan.ts';
import * as count from '../rows/count-answers.ts';
import * as index from '../earlier/index-answers.ts';
import * as merge from '../rows/merge-rows.ts';
import type { EndedShard } from '../rows/ended-shard.ts';
import * as settle from '../rows/settle-shard.ts';
import * as unsent from '../rows/unsent-shard.ts';
import * as rebuys from '../shards/pack-rebuys.ts';
import * as retries from '../shards/pack-retries.ts';
import * as input from '../shards/shard-input.ts';
import type { RoundShards } from '../shards/estimate-tokens.ts';
import { openInput } from '../shards/open-input.ts';

/** A step as it is sent to a thread. */
export interface StepTask<O> {
  /** The folder of the files that the step reads and writes, each at its key. */
  readonly folder: string;
  readonly options: Omit<O, 'counter'>;
  /** The shared memory of the step's counter, for steps that have one. */
  readonly counter?: SharedArrayBuffer;
}

/** A step that runs in a thread. */
type Step<F> = F extends (folder: string, options: infer O) => infer R ? (task: StepTask<O>) => R : never;

function inThread<O, R>(step: (folder: string, options: O) => R): (task: StepTask<O>) => R {
  return ({ folder, options, counter }) =>
    step(folder, (counter === undefined ? options : { ...options, counter: new ByteCounter(counter) }) as O);
}

/** `shardInput` of the input that the spec and the template describe. */
export async function shardInput({
  folder,
  options,
  counter: shared,
}: StepTask<input.InputSharding>): Promise<input.ShardedInput> {
  const counter = new ByteCounter(shared);
  return input.shardInput(folder, { ...options, counter }, await openInput(folder, options, counter));
}

/** `settleShard` with the rule of the answers' schema, if they have one: the validator is loaded and compiled for such a shard only. */
export async function settleShard({
  folder,
  options,
}: StepTask<EndedShard>): Promise<ReturnType<typeof settle.settleShard>> {
  const { answer } = options;
  if (answer === undefined) return settle.settleShard(folder, options);
  const { answerRule } = await import('../rows/answer-rule.ts');
  return settle.settleShard(folder, options, answerRule(answer.schema));
}

/** `estimateTokens`: the tokenizer is loaded for it only. */
export async function estimateTokens({ folder, options }: StepTask<RoundShards>): Promise<ShardTokens[]> {
  const { estimateTokens: estimate } = await import('../shards/estimate-tokens.ts');
  return await estimate(folder, options);
}

export const packRetries: Step<typeof retries.packRetries> = inThread(retries.packRetries);
export const packRebuys: Step<typeof rebuys.packRebuys> = inThread(rebuys.packRebuys);
export const countAnswers: Step<typeof count.countAnswers> = inThread(count.countAnswers);
export const refuseShard: Step<typeof unsent.refuseShard> = inThread(unsent.refuseShard);
export const cancelShard: Step<typeof unsent.cancelShard> = inThread(unsent.cancelShard);
export const mergeRows: Step<typeof merge.mergeRows> = inThread(merge.mergeRows);
export const indexAnswers: Step<typeof index.indexAnswers> = inThread(index.indexAnswers);
