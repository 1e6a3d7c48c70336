import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Endpoint } from '../../core/limits.ts';
import type { JobSpec } from '../../core/job-spec.ts';
import {
  isLineFault,
  readableId,
  requestHead,
  type LineFault,
  type RequestLine,
} from '../../core/request-line.ts';
import { fittingWords } from '../../core/search-attributes.ts';
import {
  RangeList,
  ShardFill,
  shardId,
  type LineSize,
  type CarriedLine,
  type RoundPlan,
  type ShardLimits,
  type ShardManifest,
} from '../../core/shard-plan.ts';
import { jobFiles, shardFiles } from '../../store/job-files.ts';
import { NotAFile } from '../../files/plain-file.ts';
import { WholeFileWriter } from '../../files/whole-file.ts';
import { BodyOpenings } from '../requests/body-opening.ts';
import { ByteCounter } from '../threads/byte-counter.ts';
import { EarlierAnswersGone, type EarlierAnswers } from '../earlier/find-known-lines.ts';
import { KeptRows } from '../earlier/kept-rows.ts';
import { lineBytes, readRequests, type InputLine } from '../requests/read-requests.ts';
import { escapeSeparators } from '../requests/separators.ts';

/** What `buildShards` found wrong with the input; never holds text of a line. */
interface InputFault {
  readonly line: number | null;
  readonly reason: string;
  readonly advice: string;
}

/** The plan of round 1, or why there is none: the input is bad, or answers of the earlier job `gone` are missing. */
export type BuildResult =
  | { readonly plan: RoundPlan }
  | { readonly fault: InputFault }
  | { readonly gone: string };

/**
 * Reads the input, checks every line and writes round 1's shards, `under` a folder of keys; with `earlier`, lines that earlier
 * jobs have answered get their rows instead, and the input is read twice.
 * Running it twice, with the same earlier answers, writes the same files under the same names.
 */
export function buildShards(
  folder: string,
  spec: JobSpec,
  counter: ByteCounter = new ByteCounter(),
  earlier: readonly EarlierAnswers[] | null = null,
  under: string = '',
): BuildResult {
  try {
    return build(folder, spec, counter, earlier, under);
  } catch (error) {
    // Told as results: of an error that leaves the thread only the text is left.
    if (error instanceof EarlierAnswersGone) return { gone: error.job };
    const fault = unreadable(error as Error, spec.input.path);
    if (fault === null) throw error;
    return { fault };
  }
}

/** What is wrong with an input that cannot be read here; null for trouble with any other file. */
function unreadable(error: Error, input: string): InputFault | null {
  const { code, path } = error as NodeJS.ErrnoException;
  if (path !== input) return null;
  if (error instanceof NotAFile) {
    const reason = `is ${error.kind} where the worker reads it`;
    return { line: null, reason, advice: 'put the file there, or run the worker where it is' };
  }
  const reason = unreadableReasons[code ?? ''];
  return reason === undefined ? null : { line: null, reason, advice: 'run the worker where the file is' };
}

const unreadableReasons: Readonly<Record<string, string>> = {
  ENOENT: 'cannot be found by the worker',
  ENOTDIR: 'cannot be found by the worker',
  EACCES: 'cannot be read by the worker',
};

function build(
  folder: string,
  spec: JobSpec,
  counter: ByteCounter,
  earlier: readonly EarlierAnswers[] | null,
  under: string,
): BuildResult {
  counter.expect(spec.input.bytes);
  const own = join(folder, under);
  const writer = new ShardSetWriter(own, spec.jobId, 1, {
    lines: spec.shardLines,
    bytes: spec.shardBytes,
  });
  const rejected = new RejectedRows(join(own, jobFiles.rejected(spec.jobId)));
  const target = join(own, jobFiles.kept(spec.jobId));
  const kept = earlier === null ? null : new KeptRows(folder, spec, earlier, target, counter.around);
  let fault: InputFault | null = null;
  try {
    const onLine = ({ number, block, start, end, overlong, request }: Readonly<InputLine>): boolean => {
      if (!isLineFault(request)) {
        if (kept?.take(number, block, request) !== true) writer.add(number, block, request);
      } else if (spec.skipBadLines) {
        rejected.add(number, request, overlong ? null : readableId(block.subarray(start, end)));
      } else {
        fault = { line: number, ...request };
      }
      return fault === null;
    };
    const isSame = readRequests(spec, onLine, counter.around, (bytes) => counter.add(bytes));
    if (fault === null && (!isSame || kept?.isSameInput === false)) {
      fault = { line: null, reason: 'has changed since the job was started', advice: 'start the job again' };
    }
    if (fault === null && writer.lines === 0 && rejected.count === 0 && (kept?.count ?? 0) === 0) {
      fault = { line: null, reason: 'holds no requests', advice: 'write one JSON request per line' };
    }
    if (fault !== null) return { fault };
    rejected.finish();
    kept?.finish();
    const plan = { ...writer.finish(), rejected: rejected.count, models: fittingWords(writer.models) };
    return { plan: kept === null ? plan : { ...plan, kept: kept.count } };
  } finally {
    // Of what was finished nothing is taken away.
    writer.abandon();
    rejected.abandon();
    kept?.abandon();
  }
}

/** Rows of refused lines; the file exists only when there are any. */
class RejectedRows {
  count = 0;
  private readonly path: string;
  private writer: WholeFileWriter | null = null;

  constructor(path: string) {
    this.path = path;
  }

  add(line: number, { reason, advice }: LineFault, id: string | null): void {
    this.count += 1;
    this.writer ??= new WholeFileWriter(this.path);
    const error = JSON.stringify({ code: 'bad_line', message: `The line ${reason}: ${advice}.` });
    this.writer.writeText(
      `{"line":${line},"id":${JSON.stringify(id ?? String(line))},"status":"failed","attempts":0,"batch_id":null,"response":null,"error":${error},"usage":null}\n`,
    );
  }

  finish(): void {
    if (this.writer === null) rmSync(this.path, { force: true });
    else this.writer.finish();
  }

  abandon(): void {
    this.writer?.abandon();
  }
}

const requestTail = Buffer.from('}\n');
const lineFeed = Buffer.from('\n');
/** Stands where a line has no id. */
const nullId = Buffer.from('null');

/** Requests that are written into shards of their own, apart from others of their model and endpoint. */
export interface ShardGroup {
  /** Tells this group from others; `''` for lines that any shard may hold. */
  readonly name: string;
  /** Bounds below the job's; the n-th shard of the group holds at most `lines[n]` lines, the last bound holds for all that follow. */
  readonly lines?: readonly number[];
  readonly bytes?: number;
  /** Kept in the manifest of each shard of the group. */
  readonly marks?: Pick<ShardManifest, 'refusals' | 'cutFrom' | 'maxBytes'>;
}

/** Lines of the input, and those that go again after an ordinary failure. */
const anyShard: ShardGroup = { name: '' };

interface OpenShard {
  readonly index: number;
  readonly group: ShardGroup;
  readonly key: string;
  readonly limits: ShardLimits;
  readonly model: string;
  readonly endpoint: string;
  readonly fill: ShardFill;
  readonly lines: RangeList;
  readonly carried: CarriedLine[];
  /** The bytes before and behind a line's number in its request. */
  readonly head: readonly [Uint8Array, Uint8Array];
  readonly requests: WholeFileWriter;
  ids: WholeFileWriter | null;
}

/** Distributes requests over shards, one model and endpoint each, and writes their files. */
export class ShardSetWriter {
  lines = 0;
  private readonly folder: string;
  private readonly job: string;
  private readonly round: number;
  private readonly limits: ShardLimits;
  private readonly open = new Map<string, OpenShard>();
  /** The shards that each group has had so far, by their places in the round. */
  private readonly places = new Map<string, number[]>();
  private readonly shardLines: number[] = [];
  readonly models: Set<string> = new Set();
  private last: OpenShard | null = null;
  private readonly openings = new BodyOpenings();

  constructor(folder: string, job: string, round: number, limits: ShardLimits) {
    this.folder = folder;
    this.job = job;
    this.round = round;
    this.limits = limits;
  }

  /** Adds a checked request of the input. */
  add(line: number, block: Buffer, request: RequestLine): void {
    const { model, endpoint, bodyStart, bodyEnd } = request;
    const shard = this.shardFor(model, endpoint, {
      bytes: lineBytes(request),
      embeddingInputs: request.embeddingInputs,
    });
    shard.requests.write(shard.head[0]);
    shard.requests.writeNumber(line);
    shard.requests.write(shard.head[1]);
    if (request.addsModel) shard.requests.writeText(this.openings.of(block, bodyStart, model));
    const from = request.addsModel ? bodyStart + 1 : bodyStart;
    if (request.escapeBytes === 0) shard.requests.write(block, from, bodyEnd);
    else shard.requests.write(escapeSeparators(block.subarray(from, bodyEnd)));
    shard.requests.write(requestTail);
    const { idStart, idEnd } = request;
    if (idEnd > 0) this.addId(shard, block, idStart, idEnd);
    else this.addId(shard, nullId);
    shard.lines.add(line);
  }

  /** Adds an already written request again, with its history. Earlier versions have written separators raw. */
  addAgain(
    from: { model: string; endpoint: string },
    line: CarriedLine,
    written: Buffer,
    embeddingInputs: number,
    id: Uint8Array | null,
    group: ShardGroup = anyShard,
  ): void {
    const bytes = escapeSeparators(written);
    const size = { bytes: bytes.length + 1, embeddingInputs };
    this.closeBehind(line[0], from, group);
    const shard = this.shardFor(from.model, from.endpoint as Endpoint, size, group);
    shard.requests.write(bytes);
    shard.requests.writeAscii('\n');
    this.addId(shard, id ?? nullId);
    shard.lines.add(line[0]);
    shard.carried.push(line);
  }

  /** Lines of a shard are in ascending order; shards of a round need not be, and their lines may lie between each other's. */
  private closeBehind(line: number, from: { model: string; endpoint: string }, group: ShardGroup): void {
    const shard = this.open.get(keyOf(from.model, from.endpoint, group));
    if (shard !== undefined && line <= shard.lines.last) this.close(shard);
  }

  /** Closes what a group has open, once all its lines are there; returns the places of its shards in the round. */
  closeGroup({ name }: ShardGroup): number[] {
    for (const shard of this.open.values()) if (shard.group.name === name) this.close(shard);
    const places = this.places.get(name) ?? [];
    this.places.delete(name);
    return places;
  }

  finish(): Omit<RoundPlan, 'rejected'> {
    for (const shard of this.open.values()) this.close(shard);
    return { shards: this.shardLines.length, lines: this.lines, shardLines: this.shardLines };
  }

  abandon(): void {
    for (const shard of this.open.values()) {
      shard.requests.abandon();
      shard.ids?.abandon();
    }
  }

  private shardFor(
    model: string,
    endpoint: Endpoint,
    size: LineSize,
    group: ShardGroup = anyShard,
  ): OpenShard {
    let shard = this.last;
    if (
      shard === null ||
      shard.model !== model ||
      shard.endpoint !== endpoint ||
      shard.group.name !== group.name
    ) {
      shard = this.open.get(keyOf(model, endpoint, group)) ?? null;
    }
    if (shard !== null && shard.fill.isFullFor(size, shard.limits)) {
      this.close(shard);
      shard = null;
    }
    if (shard === null) {
      shard = this.openShard(model, endpoint, group);
      this.open.set(shard.key, shard);
    }
    shard.fill.add(size);
    this.lines += 1;
    this.last = shard;
    return shard;
  }

  private openShard(model: string, endpoint: string, group: ShardGroup): OpenShard {
    const index = this.shardLines.length;
    this.shardLines.push(0);
    this.models.add(model);
    const path = join(this.folder, shardFiles.requests(this.job, shardId(this.round, index)));
    return {
      index,
      group,
      key: keyOf(model, endpoint, group),
      limits: this.limitsOf(group, index),
      model,
      endpoint,
      fill: new ShardFill(),
      lines: new RangeList(),
      carried: [],
      head: [Buffer.from(requestHead(endpoint)[0]), Buffer.from(requestHead(endpoint)[1])],
      requests: new WholeFileWriter(path),
      ids: null,
    };
  }

  private limitsOf({ name, lines, bytes }: ShardGroup, index: number): ShardLimits {
    const places = this.places.get(name) ?? [];
    this.places.set(name, places);
    const n = places.push(index) - 1;
    const most = lines?.[Math.min(n, lines.length - 1)] ?? this.limits.lines;
    return {
      lines: Math.min(this.limits.lines, most),
      bytes: Math.min(this.limits.bytes, bytes ?? this.limits.bytes),
    };
  }

  /** Appends a line's id, JSON in `bytes[start..end)`; a shard without any id has no file of them. */
  private addId(shard: OpenShard, bytes: Uint8Array, start = 0, end: number = bytes.length): void {
    if (bytes === nullId && shard.ids === null) return;
    if (shard.ids === null) {
      shard.ids = new WholeFileWriter(
        join(this.folder, shardFiles.ids(this.job, shardId(this.round, shard.index))),
      );
      shard.ids.writeAscii('null\n'.repeat(shard.fill.lines - 1));
    }
    shard.ids.write(bytes, start, end);
    shard.ids.write(lineFeed);
  }

  private close(shard: OpenShard): void {
    const id = shardId(this.round, shard.index);
    shard.requests.finish();
    shard.ids?.finish();
    const manifest: ShardManifest = {
      model: shard.model,
      endpoint: shard.endpoint,
      lines: shard.fill.lines,
      bytes: shard.requests.bytes,
      ranges: shard.lines.ranges,
      carried: shard.carried,
      hasIds: shard.ids !== null,
      ...shard.group.marks,
    };
    const file = new WholeFileWriter(join(this.folder, shardFiles.manifest(this.job, id)));
    file.writeText(JSON.stringify(manifest));
    file.finish();
    this.shardLines[shard.index] = shard.fill.lines;
    this.open.delete(shard.key);
    if (this.last === shard) this.last = null;
  }
}

function keyOf(model: string, endpoint: string, group: ShardGroup): string {
  return `${endpoint} ${model} ${group.name}`;
}
