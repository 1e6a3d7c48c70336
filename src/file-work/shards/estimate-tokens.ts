import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { shardId, type ShardManifest, type ShardTokens } from '../../core/shard-plan.ts';
import { PromptSample } from '../../estimate/prompt-tokens.ts';
import { contentOf } from '../../estimate/request-content.ts';
import { tokenCounterOf } from '../../estimate/token-counter.ts';
import type { Endpoint } from '../../core/limits.ts';
import { shardFiles } from '../../store/job-files.ts';
import { readManifest } from '../records/shard-records.ts';

/** The shards of a round. */
export interface RoundShards {
  readonly job: string;
  readonly round: number;
  readonly shards: number;
}

/** Parts of so many shards of a model are read, so that a round of a thousand takes no longer than one of some dozens. */
const SHARDS_READ = 48;

/** Bytes of each part, and their number in a shard. */
const PART_BYTES = 64 << 10;
const PARTS = 3;

/** Tokens of each byte of requests that are too long to be read. */
const USUAL_RATIO = 0.25;

const LINE_FEED = 0x0a;

/**
 * Estimates the prompt tokens of each shard of a round, by the size of its requests and the tokens of some of them: two columns, the
 * model and the tokens, as in `RoundPlan.tokens`.
 */
export async function estimateTokens(
  folder: string,
  { job, round, shards }: RoundShards,
): Promise<ShardTokens[]> {
  const manifests = Array.from({ length: shards }, (_, index) =>
    readManifest(folder, job, shardId(round, index)),
  );
  const ratios = new Map<string, number>();
  for (const { model, endpoint } of manifests) {
    const key = kindOf({ model, endpoint });
    if (ratios.has(key)) continue;
    const ofKind = manifests.flatMap((manifest, index) => (kindOf(manifest) === key ? [index] : []));
    const paths = spread(ofKind, SHARDS_READ).map((index) =>
      join(folder, shardFiles.requests(job, shardId(round, index))),
    );
    ratios.set(key, await tokensPerByte(paths, { model, endpoint }));
  }
  return manifests.map((manifest) => [
    manifest.model,
    Math.max(manifest.lines, Math.ceil(manifest.bytes * ratios.get(kindOf(manifest))!)),
  ]);
}

function kindOf({ model, endpoint }: Pick<ShardManifest, 'model' | 'endpoint'>): string {
  return `${endpoint} ${model}`;
}

/** At most `count` of the items, from all parts of the list. */
function spread(items: readonly number[], count: number): number[] {
  const step = Math.max(1, items.length / count);
  return Array.from({ length: Math.min(items.length, count) }, (_, i) => items[Math.floor(i * step)]!);
}

async function tokensPerByte(
  paths: readonly string[],
  { model, endpoint }: Pick<ShardManifest, 'model' | 'endpoint'>,
): Promise<number> {
  const sample = new PromptSample();
  let bytes = 0;
  for (const path of paths) {
    for (const line of someLines(path)) {
      const { body } = JSON.parse(line.toString('utf8')) as { body: Record<string, unknown> };
      sample.add(contentOf(endpoint as Endpoint, body));
      bytes += line.length + 1;
    }
  }
  if (bytes === 0) return USUAL_RATIO;
  return sample.estimate(await tokenCounterOf(model)).tokens / bytes;
}

/** Whole lines from the beginning, the middle and the end of a file; none if the first one is longer than all parts. */
function someLines(path: string): Buffer[] {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    if (size <= PARTS * PART_BYTES) return linesIn(readPart(file, 0, size), true);
    const last = size - PART_BYTES;
    return Array.from({ length: PARTS }, (_, i) => Math.floor((last * i) / (PARTS - 1))).flatMap((offset) =>
      linesIn(readPart(file, offset, PART_BYTES), offset === 0),
    );
  } finally {
    closeSync(file);
  }
}

function readPart(file: number, offset: number, length: number): Buffer {
  const part = Buffer.alloc(length);
  return part.subarray(0, readSync(file, part, 0, length, offset));
}

/** The whole lines of a part, each without its line feed. */
function linesIn(part: Buffer, isStart: boolean): Buffer[] {
  const lines: Buffer[] = [];
  let start = isStart ? 0 : part.indexOf(LINE_FEED) + 1;
  for (;;) {
    const end = part.indexOf(LINE_FEED, start);
    if (end === -1 || (start === 0 && !isStart)) return lines;
    lines.push(part.subarray(start, end));
    start = end + 1;
  }
}
