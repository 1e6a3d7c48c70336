import { join } from 'node:path';
import { ShardLines, type PaidTwice } from '../../core/shard-plan.ts';
import type { ModelRates } from '../../core/token-cost.ts';
import { meaningOf } from '../../openai/rows/row-meaning.ts';
import { readManifest } from '../records/shard-records.ts';
import { eachRow } from './each-row.ts';
import { PaidSum } from './paid-sum.ts';

/** An output file of which no answer can be used: the shard was settled before. */
export interface LateOutput {
  readonly job: string;
  readonly shard: string;
  /** Its key in the store. */
  readonly output: string;
  /** The model's list prices; null when they are not known, absent where nobody looked. */
  readonly rates?: ModelRates | null | undefined;
}

/** Counts what an output file answers of a shard's lines. Changes nothing. */
export function countAnswers(folder: string, { job, shard, output, rates }: LateOutput): PaidTwice {
  const lines = new ShardLines(readManifest(folder, job, shard));
  const sum = new PaidSum(rates);
  eachRow(lines, join(folder, output), ({ row }) => sum.add(row, meaningOf(row)));
  return sum.asTwice();
}
