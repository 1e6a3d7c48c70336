import { fittingShardBytes, type TokenQueueOptions } from '../../core/job-spec.ts';
import type { RequestLine } from '../../core/request-line.ts';
import {
  shardId,
  type CarriedLine,
  type LineSize,
  type RoundPlan,
  type ShardLimits,
  type ShardManifest,
} from '../../core/shard-plan.ts';
import { BodyOpenings } from '../requests/body-opening.ts';
import { lineBytes } from '../requests/read-requests.ts';
import { escapeSeparators } from '../requests/separators.ts';
import type { AddedParts } from '../requests/feedback-request.ts';
import { OpenShard, type ShardKind } from './open-shard.ts';

/** Requests that are written into shards of their own, separate from others of their model and endpoint. */
export interface ShardGroup {
  /** Identifies the group; `''` for lines that any shard may contain. */
  readonly name: string;
  /** Limits below the job's: the n-th shard of the group has at most `lines[n]` lines; the last limit applies to all further shards. */
  readonly lines?: readonly number[];
  readonly bytes?: number;
  /** Stored in the manifest of each shard of the group. */
  readonly marks?: Pick<ShardManifest, 'refusals' | 'cutFrom' | 'maxBytes'>;
}

/** Lines of the input, and lines that are sent again after an ordinary failure. */
const anyShard: ShardGroup = { name: '' };

/** A round of a job whose shards are written into a folder. */
export interface ShardSet {
  readonly folder: string;
  readonly job: string;
  readonly round: number;
  readonly limits: ShardLimits;
  /** How the job shares the account's tokens, which bounds the size of its shards. @default by the limits alone */
  readonly tokenQueue?: TokenQueueOptions | undefined;
  /** True if lines of the input share requests. @default false */
  readonly isPacked?: boolean;
}

/** A request that is sent again, as it was written. */
export interface WrittenRequest {
  readonly line: CarriedLine;
  /** Without the line feed. */
  readonly bytes: Buffer;
  /** The parts that were not in the line's first request. */
  readonly feedback?: AddedParts | undefined;
  /** Inputs of an embeddings request; 0 for other endpoints. */
  readonly embeddingInputs: number;
  /** The user's id as JSON; null when the line has none. */
  readonly id: Uint8Array | null;
}

/** An open shard, and its index in the round. */
interface Place {
  readonly index: number;
  readonly group: ShardGroup;
  readonly key: string;
  readonly shard: OpenShard;
}

/** Distributes requests over shards, one model and endpoint each, and writes their files. */
export class ShardSetWriter {
  lines = 0;
  readonly models: Set<string> = new Set();
  private readonly set: ShardSet;
  private readonly open = new Map<string, Place>();
  /** The shards of each group so far, by index in the round. */
  private readonly places = new Map<string, number[]>();
  private readonly shardLines: number[] = [];
  private last: Place | null = null;
  private readonly openings = new BodyOpenings();

  constructor(set: ShardSet) {
    this.set = set;
  }

  /** Adds a checked request of the input. */
  add(line: number, block: Buffer, request: RequestLine): void {
    const size = { bytes: lineBytes(request), embeddingInputs: request.embeddingInputs };
    this.placeFor(request, size, anyShard).shard.add(line, block, request, size);
  }

  /** Adds a request of an earlier round, with its line's history. Earlier versions wrote separators raw. */
  addAgain(
    kind: ShardKind,
    { line, bytes, feedback, embeddingInputs, id }: WrittenRequest,
    group: ShardGroup = anyShard,
  ): void {
    const written = escapeSeparators(bytes);
    const size = { bytes: written.length + 1, embeddingInputs };
    this.closeUnordered(line[0], kind, group);
    this.placeFor(kind, size, group).shard.addAgain({ line, written, feedback, id }, size);
  }

  /** Closes a group after its last line; returns the indexes of its shards in the round. */
  closeGroup({ name }: ShardGroup): number[] {
    for (const place of this.open.values()) if (place.group.name === name) this.close(place);
    const places = this.places.get(name) ?? [];
    this.places.delete(name);
    return places;
  }

  finish(): Omit<RoundPlan, 'rejected'> {
    for (const place of this.open.values()) this.close(place);
    return { shards: this.shardLines.length, lines: this.lines, shardLines: this.shardLines };
  }

  abandon(): void {
    for (const { shard } of this.open.values()) shard.abandon();
  }

  /** Closes the open shard if the line is not greater than its last one: lines of a shard are in ascending order. */
  private closeUnordered(line: number, kind: ShardKind, group: ShardGroup): void {
    const place = this.open.get(keyOf(kind, group));
    if (place !== undefined && line <= place.shard.lastLine) this.close(place);
  }

  /** The open shard for a line of this kind and size. */
  private placeFor(kind: ShardKind, size: LineSize, group: ShardGroup): Place {
    let place = this.last;
    if (place === null || !isOf(place, kind, group)) place = this.open.get(keyOf(kind, group)) ?? null;
    if (place !== null && place.shard.isFullFor(size)) {
      this.close(place);
      place = null;
    }
    if (place === null) {
      place = this.openPlace(kind, group);
      this.open.set(place.key, place);
    }
    this.lines += 1;
    this.last = place;
    return place;
  }

  private openPlace({ model, endpoint, isPacked }: ShardKind, group: ShardGroup): Place {
    const { folder, job, round } = this.set;
    const kind = { model, endpoint, isPacked: isPacked ?? this.set.isPacked ?? false };
    const index = this.shardLines.length;
    this.shardLines.push(0);
    this.models.add(model);
    const place = { folder, job, shard: shardId(round, index) };
    const shard = new OpenShard(place, kind, this.limitsOf(group, index, model), this.openings);
    return { index, group, key: keyOf(kind, group), shard };
  }

  private limitsOf({ name, lines, bytes }: ShardGroup, index: number, model: string): ShardLimits {
    const { limits, tokenQueue } = this.set;
    const places = this.places.get(name) ?? [];
    this.places.set(name, places);
    const n = places.push(index) - 1;
    const most = lines?.[Math.min(n, lines.length - 1)] ?? limits.lines;
    const fitting = fittingShardBytes(tokenQueue, model, limits.bytes);
    return { lines: Math.min(limits.lines, most), bytes: Math.min(fitting, bytes ?? fitting) };
  }

  private close(place: Place): void {
    const { index, group, key, shard } = place;
    shard.finish(group.marks ?? {});
    this.shardLines[index] = shard.lines;
    this.open.delete(key);
    if (this.last === place) this.last = null;
  }
}

function isOf({ shard, group }: Place, { model, endpoint }: ShardKind, { name }: ShardGroup): boolean {
  return shard.kind.model === model && shard.kind.endpoint === endpoint && group.name === name;
}

function keyOf({ model, endpoint }: ShardKind, group: ShardGroup): string {
  return `${endpoint} ${model} ${group.name}`;
}
