import type { JobReport } from '../../src/core/progress.ts';
import { shardId } from '../../src/core/shard-plan.ts';
import type { ReportBatch, ReportData, ReportShard } from '../../src/report/report-data.ts';

/** Start time of these jobs. */
export const STARTED_AT = '2026-11-24T08:00:00.000Z';
const startMs = Date.parse(STARTED_AT);

/** A shard of 100 lines, all answered by a batch that took an hour. */
export function reportShard(round: number, index: number, more: Partial<ReportShard> = {}): ReportShard {
  return {
    id: shardId(round, index),
    round,
    model: 'gpt-5-mini',
    lines: 100,
    answered: 100,
    failed: 0,
    again: 0,
    cancelled: 0,
    inputTokens: 10_000,
    cachedTokens: 0,
    outputTokens: 3_000,
    errors: {},
    examples: {},
    twice: null,
    batches: [reportBatch(index)],
    rows: undefined,
    ...more,
  };
}

/** A batch that was created a minute after the previous one. */
export function reportBatch(index: number, more: Partial<ReportBatch> = {}): ReportBatch {
  const createdAt = startMs + index * 60_000;
  return {
    batchId: `batch_${index}`,
    createdAt,
    inProgressAt: createdAt + 120_000,
    finalizingAt: createdAt + 3_300_000,
    endedAt: createdAt + 3_600_000,
    status: 'completed',
    adopted: false,
    ...more,
  };
}

/** The report data of a job with these shards, all of one model. */
export function reportData(shards: readonly ReportShard[]): ReportData {
  const sum = (key: 'inputTokens' | 'outputTokens' | 'lines'): number =>
    shards.reduce((total, shard) => total + shard[key], 0);
  const model = {
    model: 'gpt-5-mini',
    lines: sum('lines'),
    inputTokens: sum('inputTokens'),
    cachedTokens: 0,
    outputTokens: sum('outputTokens'),
    batchUsd: 1.5,
    listUsd: 3,
  };
  return {
    startedAt: STARTED_AT,
    shards,
    models: [model],
    costs: [],
    priceSources: ['@pydantic/genai-prices of 2026-09-23'],
  };
}

/** `report.json` of a job of 1,000 lines. */
export function jobReport(more: Partial<JobReport> = {}): JobReport {
  return {
    job_id: 'reviews',
    lines: 1_000,
    answered: 990,
    failed: 10,
    cancelled: 0,
    rounds: 2,
    batches: 12,
    input_tokens: 100_000,
    output_tokens: 30_000,
    cost_usd: 1.5,
    cost_usd_without_batch: 3,
    errors: {},
    duplicates: null,
    started_at: STARTED_AT,
    finished_at: '2026-11-24T10:30:00.000Z',
    ...more,
  };
}
