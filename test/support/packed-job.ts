/** Embeddings jobs whose lines share requests. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JobOptions } from '../../src/core/job-spec.ts';
import type { RoundPlan } from '../../src/core/shard-plan.ts';
import { packRetries } from '../../src/file-work/shards/pack-retries.ts';
import { shardInput } from '../../src/file-work/shards/shard-input.ts';
import type { RequestTemplate } from '../../src/render/request-template.ts';
import { shardFiles } from '../../src/store/job-files.ts';
import { JOB, outputRow, specFor } from './file-job.ts';

/** Only its endpoint matters here: the input is requests, as a template would make them. */
const template: RequestTemplate = { endpoint: '/v1/embeddings', model: 'm', prompt: '{{ text }}' };

/** A line that asks for the embedding of a text. */
export function textLine(text: string, body: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({ body: { model: 'text-embedding-3-small', input: text, ...body } });
}

/** Builds round 1 of these lines. */
export function planPacked(
  folder: string,
  lines: readonly string[],
  options: Omit<JobOptions, 'input' | 'jobId'> = {},
): RoundPlan {
  const built = shardInput(folder, { spec: specFor(folder, lines.join('\n'), options), template });
  if (!('plan' in built)) throw new Error('The input is bad.');
  return built.plan;
}

/** Packs the lines of a round that are sent again. */
export function nextRound(
  folder: string,
  round: number,
  { shards }: RoundPlan,
  shardLines = 50_000,
): RoundPlan {
  return packRetries(folder, {
    job: JOB,
    round,
    shards,
    shardLines,
    shardBytes: 190_000_000,
    cancelled: false,
  });
}

/** An uploaded request. */
export interface PackedRequest {
  readonly line: number;
  readonly texts: readonly string[];
}

export function packedText(folder: string, shard: string): string {
  return readFileSync(join(folder, shardFiles.packed(JOB, shard)), 'utf8');
}

/** The requests that are uploaded for a shard. */
export function uploaded(folder: string, shard: string): PackedRequest[] {
  return packedText(folder, shard)
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const { custom_id: id, body } = JSON.parse(line) as {
        custom_id: string;
        body: { input: string | string[] };
      };
      return { line: Number(id), texts: typeof body.input === 'string' ? [body.input] : body.input };
    });
}

/** One vector of an answer. */
export interface VectorItem {
  readonly object: 'embedding';
  readonly index?: number;
  readonly embedding: unknown;
}

/** The vector of a text begins with the number in it. */
export function vectorItems(texts: readonly string[]): VectorItem[] {
  return texts.map((text, index) => ({
    object: 'embedding',
    index,
    embedding: [Number.parseInt(text, 10), -0.25],
  }));
}

/** The body of an answer of embeddings. */
export function vectorBody(data: readonly VectorItem[], tokens: number): Record<string, unknown> {
  const usage = { prompt_tokens: tokens, total_tokens: tokens };
  return { object: 'list', data, model: 'text-embedding-3-small', usage };
}

/** A row with the answer to a request. */
export function vectorRow({ line, texts }: PackedRequest, tokens: number): string {
  return outputRow(line, vectorBody(vectorItems(texts), tokens));
}
