import { join } from 'node:path';
import { requestHead, type RequestLine } from '../../core/request-line.ts';
import {
  RangeList,
  ShardFill,
  type CarriedLine,
  type LineSize,
  type ShardLimits,
  type ShardManifest,
  type FeedbackLine,
} from '../../core/shard-plan.ts';
import { AtomicFileWriter } from '../../files/atomic-file-writer.ts';
import { shardFiles } from '../../store/job-files.ts';
import type { BodyOpenings } from '../requests/body-opening.ts';
import type { AddedParts } from '../requests/feedback-request.ts';
import { escapeSeparators } from '../requests/separators.ts';
import { packRequests } from './pack-requests.ts';

const requestTail = Buffer.from('}\n');
const lineFeed = Buffer.from('\n');
/** Written for a line without an id. */
const nullId = Buffer.from('null');

/** The model and endpoint of all requests of a shard. */
export interface ShardKind {
  readonly model: string;
  readonly endpoint: string;
  /** True if its lines share requests. @default that of the round */
  readonly isPacked?: boolean;
}

/** The kind of shards for lines of an earlier one. */
export function kindOf({ model, endpoint, packs }: ShardManifest): ShardKind {
  return { model, endpoint, isPacked: packs !== undefined };
}

/** The location of a shard's files. */
export interface ShardPlace {
  readonly folder: string;
  readonly job: string;
  readonly shard: string;
}

/** A request that was written in an earlier round. */
export interface RequestAgain {
  readonly line: CarriedLine;
  /** Without the line feed. */
  readonly written: Buffer;
  /** The parts that were not in the line's first request. */
  readonly feedback: AddedParts | undefined;
  readonly id: Uint8Array | null;
}

/** One shard while its files are written. */
export class OpenShard {
  readonly kind: Required<ShardKind>;
  private readonly place: ShardPlace;
  private readonly limits: ShardLimits;
  private readonly openings: BodyOpenings;
  private readonly fill = new ShardFill();
  private readonly numbers = new RangeList();
  private readonly carried: CarriedLine[] = [];
  private readonly feedback: FeedbackLine[] = [];
  /** The bytes before and after a line's number in its request. */
  private readonly head: readonly [Uint8Array, Uint8Array];
  private readonly requests: AtomicFileWriter;
  /** Null while no line has an id: a shard without ids has no ids file. */
  private ids: AtomicFileWriter | null = null;

  /** `openings`: the first bytes of bodies to which the job's model is added, shared by all shards. */
  constructor(place: ShardPlace, kind: Required<ShardKind>, limits: ShardLimits, openings: BodyOpenings) {
    const [before, behind] = requestHead(kind.endpoint);
    this.place = place;
    this.kind = kind;
    this.limits = limits;
    this.openings = openings;
    this.head = [Buffer.from(before), Buffer.from(behind)];
    this.requests = new AtomicFileWriter(join(place.folder, shardFiles.requests(place.job, place.shard)));
  }

  get lines(): number {
    return this.fill.lines;
  }

  /** The line that was added last; 0 before the first. */
  get lastLine(): number {
    return this.numbers.last;
  }

  isFullFor(size: LineSize): boolean {
    return this.fill.isFullFor(size, this.limits);
  }

  /** Adds a checked request of an input; its bytes are in `block`. */
  add(line: number, block: Buffer, request: RequestLine, size: LineSize): void {
    const { requests, head, openings } = this;
    const { addsModel, model, bodyStart, bodyEnd, idStart, idEnd } = request;
    this.fill.add(size);
    requests.write(head[0]);
    requests.writeNumber(line);
    requests.write(head[1]);
    if (addsModel) requests.writeText(openings.of(block, bodyStart, model));
    const from = addsModel ? bodyStart + 1 : bodyStart;
    if (request.escapeBytes === 0) requests.write(block, from, bodyEnd);
    else requests.write(escapeSeparators(block.subarray(from, bodyEnd)));
    requests.write(requestTail);
    if (idEnd > 0) this.addId(block, idStart, idEnd);
    else this.addNoId();
    this.numbers.add(line);
  }

  /** Adds a request that was written in an earlier round, with its line's history. */
  addAgain({ line, written, feedback, id }: RequestAgain, size: LineSize): void {
    this.fill.add(size);
    this.requests.write(written);
    this.requests.write(lineFeed);
    if (id === null) this.addNoId();
    else this.addId(id, 0, id.length);
    this.numbers.add(line[0]);
    this.carried.push(line);
    if (feedback !== undefined) this.feedback.push([line[0], ...feedback]);
  }

  /** Finishes the shard's files; `marks` are stored in its manifest. */
  finish(marks: Partial<ShardManifest>): void {
    const { folder, job, shard } = this.place;
    this.requests.finish();
    this.ids?.finish();
    const { model, endpoint, isPacked } = this.kind;
    const manifest: ShardManifest = {
      model,
      endpoint,
      lines: this.fill.lines,
      bytes: this.requests.bytes,
      ranges: this.numbers.ranges,
      carried: this.carried,
      hasIds: this.ids !== null,
      ...(this.feedback.length === 0 ? {} : { feedback: this.feedback }),
      ...(isPacked ? { packs: this.writePacked() } : {}),
      ...marks,
    };
    const file = new AtomicFileWriter(join(folder, shardFiles.manifest(job, shard)));
    file.writeText(JSON.stringify(manifest));
    file.finish();
  }

  abandon(): void {
    this.requests.abandon();
    this.ids?.abandon();
  }

  /** Writes the file that is uploaded instead of the requests, from them: so a request may take lines until it is full. */
  private writePacked(): number[][] {
    const { folder, job, shard } = this.place;
    // A line that has failed shares no request any more.
    const alone = new Set(this.carried.filter(([, , charged]) => charged > 0).map(([line]) => line));
    return packRequests(this.requests.path, join(folder, shardFiles.packed(job, shard)), alone);
  }

  /** Appends the id of the line that is being added, as JSON in `bytes[start..end)`. */
  private addId(bytes: Uint8Array, start: number, end: number): void {
    if (this.ids === null) {
      const { folder, job, shard } = this.place;
      this.ids = new AtomicFileWriter(join(folder, shardFiles.ids(job, shard)));
      this.ids.writeAscii('null\n'.repeat(this.fill.lines - 1));
    }
    this.ids.write(bytes, start, end);
    this.ids.write(lineFeed);
  }

  private addNoId(): void {
    if (this.ids === null) return;
    this.ids.write(nullId);
    this.ids.write(lineFeed);
  }
}
