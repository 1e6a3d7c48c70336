import { shardId, type ShardManifest, type ShardOutcome } from '../../core/shard-plan.ts';
import { readManifest, readOutcome } from '../records/shard-records.ts';
import type { ShardGroup } from './shard-set-writer.ts';

/**
 * How a shard's lines are sent again. After a refusal as a whole:
 * - too large: in halves by bytes;
 * - the API named lines, which have ended: the others together, and in halves from the second time on, because the API may
 *   name only the first hundred bad lines at a time;
 * - the API named no line: once more unchanged, because the reason may be transient; then in pieces of a half, a quarter and so on
 *   down to one line. A refused piece is cut in the same way if another piece was accepted. If no piece was accepted, not
 *   even a single line, the API refuses them all, which has cost about log2(lines) + 3 batches.
 */
export function groupOf(shard: string, manifest: ShardManifest, outcome: ShardOutcome): ShardGroup {
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

/** Lines that are not sent again; their refusals are counted. */
export function groupOfHopeless(shard: string, { refusals = 0 }: ShardManifest): ShardGroup {
  return { name: shard, marks: { refusals: refusals + 1 } };
}

/** A half, a quarter, … and the last line: 6 lines are cut into 3, 2 and 1. */
function pieces(lines: number): number[] {
  const sizes: number[] = [];
  for (let left = lines; left > 0; left -= sizes.at(-1)!) sizes.push(Math.ceil(left / 2));
  return sizes;
}

/** True for a piece that was refused when no piece of its shard was accepted: the API refuses them all. */
export function isHopeless(
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

/** The cut shards of which a piece was accepted in this round. */
export class AcceptedCuts {
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
