import { join } from 'node:path';
import { Endpoint, MAX_BATCH_BYTES } from '../core/limits.ts';
import { plainCode } from '../core/plain-code.ts';
import {
  shardId,
  ShardLines,
  type RoundPlan,
  type ShardManifest,
  type ShardOutcome,
  type WholeRefusal,
} from '../core/shard-plan.ts';
import { shardFiles } from '../store/job-files.ts';
import { WholeFileWriter } from '../store/whole-file.ts';
import { ShardSetWriter, type ShardGroup } from './build-shards.ts';
import { cutLines } from './cut-lines.ts';
import { readManifest, readOutcome, ShardIds } from './shard-records.ts';

/** Which round's leftovers go into the next one, and how large its shards may be. */
export interface RetryRound {
  readonly job: string;
  /** The round that has ended; the new one is the next. */
  readonly round: number;
  readonly shards: number;
  readonly shardLines: number;
  readonly shardBytes: number;
  /** True after a cancel: shards that were never sent have no outcome, and their lines go nowhere. */
  readonly cancelled: boolean;
}

/**
 * Packs the lines of all shards of a round that go again into new shards: those of all shards together, but for shards
 * that were refused as a whole, whose lines stay apart (`groupOf`).
 * Outcomes never change once written, so running it twice writes the same files.
 */
export function packRetries(
  folder: string,
  { job, round, shards, shardLines, shardBytes, cancelled }: RetryRound,
): RoundPlan {
  const writer = new ShardSetWriter(folder, job, round + 1, { lines: shardLines, bytes: shardBytes });
  const accepted = new AcceptedCuts(folder, job, round, shards);
  try {
    for (let index = 0; index < shards; index += 1) {
      const shard = shardId(round, index);
      const outcome = readOutcome(folder, job, shard);
      if (outcome === null && cancelled) continue;
      if (outcome === null) throw new Error(`Shard ${shard} has no outcome yet; its lines cannot be packed.`);
      if (outcome.again.length === 0) continue;
      const manifest = readManifest(folder, job, shard);
      const hopeless = isHopeless(manifest, outcome, accepted);
      const group = hopeless ? groupOfHopeless(shard, manifest) : groupOf(shard, manifest, outcome);
      const lines = new ShardLines(manifest);
      const ids = new ShardIds(folder, job, shard, manifest);
      const again = new Map(outcome.again.map((entry) => [lines.positionOf(entry[0]), entry]));
      cutLines(join(folder, shardFiles.requests(job, shard)), MAX_BATCH_BYTES, (block, cut) => {
        const entry = again.get(cut.number - 1);
        if (entry === undefined) return;
        const bytes = block.subarray(cut.start, cut.end);
        writer.addAgain(
          manifest,
          entry,
          bytes,
          embeddingInputsOf(manifest.endpoint, bytes),
          ids.at(cut.number - 1),
          group,
        );
      });
      if (group.name !== shard) continue; // lines of other shards may join it
      const places = writer.closeGroup(group);
      if (!hopeless) continue;
      for (const place of places) writeRefusal(folder, job, shardId(round + 1, place), outcome.refusal!);
    }
    return { ...writer.finish(), rejected: 0 };
  } catch (error) {
    writer.abandon();
    throw error;
  }
}

/**
 * How a shard's lines go again. After a refusal as a whole:
 * - too large: in halves by bytes;
 * - lines were named, and those have ended: the others together, and in halves from the second time on, since the API may
 *   name only the first hundred bad lines at a time;
 * - no line was named: once more as they are, since the reason may pass; then in pieces of a half, a quarter and so on
 *   down to one line. A piece that is refused is cut in the same way if another piece was accepted. If none was, not
 *   even one line alone, the API refuses them all, and that has cost about log2(lines) + 3 batches.
 */
function groupOf(shard: string, manifest: ShardManifest, outcome: ShardOutcome): ShardGroup {
  const { refusal, again } = outcome;
  const refusals = (manifest.refusals ?? 0) + 1;
  const size = manifest.maxBytes === undefined ? {} : { maxBytes: manifest.maxBytes };
  if (outcome.tooLarge === true) {
    const bytes = Math.ceil(manifest.bytes / 2);
    return { name: shard, bytes, marks: { maxBytes: bytes } };
  }
  if (refusal === undefined) {
    return manifest.maxBytes === undefined
      ? { name: '' }
      : { name: `${manifest.maxBytes} bytes`, bytes: manifest.maxBytes, marks: size };
  }
  if (refusals === 1) return { name: shard, marks: { refusals, ...size } };
  if (refusal.named > 0)
    return { name: shard, lines: [Math.ceil(again.length / 2)], marks: { refusals, ...size } };
  return { name: shard, lines: pieces(again.length), marks: { refusals, cutFrom: shard, ...size } };
}

/** Lines that are not sent again; their refusals have been counted. */
function groupOfHopeless(shard: string, { refusals = 0 }: ShardManifest): ShardGroup {
  return { name: shard, marks: { refusals: refusals + 1 } };
}

/** A half, a quarter, … and the last line: 6 lines are cut into 3, 2 and 1. */
function pieces(lines: number): number[] {
  const sizes: number[] = [];
  for (let left = lines; left > 0; left -= sizes.at(-1)!) sizes.push(Math.ceil(left / 2));
  return sizes;
}

function isHopeless(
  { cutFrom }: ShardManifest,
  { refusal, tooLarge }: ShardOutcome,
  accepted: AcceptedCuts,
): boolean {
  return (
    cutFrom !== undefined &&
    tooLarge !== true &&
    refusal !== undefined &&
    refusal.named === 0 &&
    !accepted.has(cutFrom)
  );
}

/** The shards that were cut and of which a piece was accepted in this round. */
class AcceptedCuts {
  private readonly args: readonly [folder: string, job: string, round: number, shards: number];
  private cuts: Set<string> | null = null;

  constructor(folder: string, job: string, round: number, shards: number) {
    this.args = [folder, job, round, shards];
  }

  has(cut: string): boolean {
    this.cuts ??= this.read(); // only rounds with refused pieces read all manifests
    return this.cuts.has(cut);
  }

  private read(): Set<string> {
    const [folder, job, round, shards] = this.args;
    const cuts = new Set<string>();
    for (let index = 0; index < shards; index += 1) {
      const shard = shardId(round, index);
      const outcome = readOutcome(folder, job, shard);
      if (outcome === null || outcome.refusal !== undefined || outcome.tooLarge === true) continue;
      const { cutFrom } = readManifest(folder, job, shard);
      if (cutFrom !== undefined) cuts.add(cutFrom);
    }
    return cuts;
  }
}

/** Has a shard end without a call of the API: its steps find the refusal on record. */
function writeRefusal(folder: string, job: string, shard: string, { code, message }: WholeRefusal): void {
  const file = new WholeFileWriter(join(folder, shardFiles.refused(job, shard)));
  file.writeText(
    JSON.stringify({
      reason: `batches of these lines were refused, alone and together, with ${plainCode(code)}`,
      tooLarge: false,
      status: null,
      code,
      text: message,
    }),
  );
  file.finish();
}

/** Inputs of an uploaded request; 0 for other endpoints than embeddings. */
export function embeddingInputsOf(endpoint: string, line: Buffer): number {
  if (endpoint !== Endpoint.Embeddings) return 0;
  const { body } = JSON.parse(line.toString('utf8')) as { body: { input: unknown } };
  return Array.isArray(body.input) && typeof body.input[0] !== 'number' ? body.input.length : 1;
}
