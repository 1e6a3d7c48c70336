import { join } from 'node:path';
import { ShardLines, type PaidTwice } from '../../core/shard-plan.ts';
import type { ModelRates } from '../../core/token-cost.ts';
import { meaningOf } from '../../openai/rows/row-meaning.ts';
import { ShardPacks } from '../records/shard-packs.ts';
import { readManifest } from '../records/shard-records.ts';
import { eachRow } from './each-row.ts';
import { PaidSum } from './paid-sum.ts';

/** An output file whose answers cannot be used, because the shard is already settled. */
export interface LateOutput {
  readonly job: string;
  readonly shard: string;
  /** Its key in the store. */
  readonly output: string;
  /** The model's prices; null when they are unknown, absent when they were not looked up. */
  readonly rates?: ModelRates | null | undefined;
}

/** Counts the answers to a shard's lines in an output file. Changes nothing. */
export function countAnswers(folder: string, { job, shard, output, rates }: LateOutput): PaidTwice {
  const manifest = readManifest(folder, job, shard);
  const requested = { lines: new ShardLines(manifest), packs: new ShardPacks(manifest) };
  const sum = new PaidSum(rates);
  eachRow(requested, join(folder, output), ({ row }) => sum.add(row, meaningOf(row)));
  return sum.asTwice();
}
