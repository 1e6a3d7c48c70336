import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Endpoint } from '../core/limits.ts';
import type { JobSpec } from '../core/job-spec.ts';
import {
  isLineFault,
  readableId,
  requestHead,
  RequestLineReader,
  type LineFault,
  type RequestLine,
} from '../core/request-line.ts';
import {
  RangeList,
  ShardFill,
  shardId,
  type LineSize,
  type RoundPlan,
  type ShardManifest,
} from '../core/shard-plan.ts';
import { jobFiles, shardFiles } from '../store/job-files.ts';
import { WholeFileWriter } from '../store/whole-file.ts';
import { ByteCounter } from './byte-counter.ts';
import { cutLines, type CutLine } from './cut-lines.ts';

/** What `buildShards` found wrong with the input; never holds text of a line. */
interface InputFault {
  readonly line: number | null;
  readonly reason: string;
  readonly advice: string;
}

/** The plan of round 1, or why there is none. */
export type BuildResult = { readonly plan: RoundPlan } | { readonly fault: InputFault };

/**
 * Reads the input once, checks every line and writes round 1's shards.
 * Running it twice writes the same files under the same names.
 */
export function buildShards(
  folder: string,
  spec: JobSpec,
  counter: ByteCounter = new ByteCounter(),
): BuildResult {
  const { path } = spec.input;
  counter.expect(spec.input.bytes);
  const reader = new RequestLineReader(spec);
  const writer = new ShardSetWriter(folder, spec.jobId, 1, {
    lines: spec.shardLines,
    bytes: spec.shardBytes,
  });
  const rejected = new RejectedRows(join(folder, jobFiles.rejected(spec.jobId)));
  const hash = createHash('sha256');
  let fault: InputFault | null = null;
  let bytes = 0;

  const onLine = (block: Buffer, cut: CutLine): void => {
    if (fault !== null) return;
    const { start, end } = trimLine(block, cut);
    if (start === end && !cut.overlong) return; // a blank line is no line
    const request = checkLine(reader, block, cut, start, end, spec.shardBytes);
    if (!isLineFault(request)) writer.add(cut.number, block, request);
    else if (spec.skipBadLines)
      rejected.add(cut.number, request, cut.overlong ? null : readableId(block.subarray(start, end)));
    else fault = { line: cut.number, ...request };
  };

  try {
    cutLines(path, spec.shardBytes, onLine, (chunk) => {
      bytes += chunk.length;
      counter.add(chunk.length);
      hash.update(chunk);
    });
    if (fault === null && (bytes !== spec.input.bytes || hash.digest('hex') !== spec.input.sha256)) {
      fault = { line: null, reason: 'has changed since the job was started', advice: 'start the job again' };
    }
    if (fault === null && writer.lines === 0 && rejected.count === 0) {
      fault = { line: null, reason: 'holds no requests', advice: 'write one JSON request per line' };
    }
  } catch (error) {
    writer.abandon();
    rejected.abandon();
    throw error;
  }
  if (fault !== null) {
    writer.abandon();
    rejected.abandon();
    return { fault };
  }
  rejected.finish();
  return { plan: { ...writer.finish(), rejected: rejected.count } };
}

/** Leaves out a byte order mark, the `\r` of Windows line ends, and blanks around the line. */
function trimLine(block: Buffer, cut: CutLine): { start: number; end: number } {
  let { start, end } = cut;
  if (
    cut.number === 1 &&
    end - start >= 3 &&
    block[start] === 0xef &&
    block[start + 1] === 0xbb &&
    block[start + 2] === 0xbf
  ) {
    start += 3;
  }
  while (end > start && isBlank(block[end - 1]!)) end -= 1;
  while (start < end && isBlank(block[start]!)) start += 1;
  return { start, end };
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x0d || byte === 0x09;
}

function checkLine(
  reader: RequestLineReader,
  block: Buffer,
  cut: CutLine,
  start: number,
  end: number,
  maxBytes: number,
): RequestLine | LineFault {
  if (cut.overlong) {
    return {
      reason: `is longer than a batch may be (${maxBytes} bytes)`,
      advice: 'make it shorter or raise --shard-bytes',
    };
  }
  if (!cut.utf8) return { reason: 'is not valid UTF-8', advice: 'save the file as UTF-8' };
  const request = reader.read(block, start, end);
  if (isLineFault(request) && block.subarray(start, end).includes(0)) {
    return { reason: 'holds a NUL byte', advice: 'remove it, or write it as \\u0000 inside a string' };
  }
  if (!isLineFault(request) && lineBytes(request) > maxBytes) {
    return {
      reason: `is longer than a batch may be (${maxBytes} bytes)`,
      advice: 'make it shorter or raise --shard-bytes',
    };
  }
  return request;
}

/** An upper bound of what the request takes in an uploaded file. */
function lineBytes(request: RequestLine): number {
  const added = request.addsModel ? request.model.length * 6 + 12 : 0;
  return request.bodyEnd - request.bodyStart + added + 100;
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

interface OpenShard {
  readonly index: number;
  readonly model: string;
  readonly endpoint: string;
  readonly fill: ShardFill;
  readonly lines: RangeList;
  readonly carried: [number, number, number][];
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
  private readonly limits: { lines: number; bytes: number };
  private readonly open = new Map<string, OpenShard>();
  private readonly shardLines: number[] = [];
  private last: OpenShard | null = null;
  private readonly bodyModels = new Map<string, string>();

  constructor(folder: string, job: string, round: number, limits: { lines: number; bytes: number }) {
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
    if (request.addsModel) {
      shard.requests.writeText(this.bodyOpening(block, bodyStart, model));
      shard.requests.write(block, bodyStart + 1, bodyEnd);
    } else {
      shard.requests.write(block, bodyStart, bodyEnd);
    }
    shard.requests.write(requestTail);
    const { idStart, idEnd } = request;
    if (idEnd > 0) this.addId(shard, block, idStart, idEnd);
    else this.addId(shard, nullId);
    shard.lines.add(line);
  }

  /** Adds an already written request again, with its history. */
  addAgain(
    from: { model: string; endpoint: string },
    line: readonly [number, number, number],
    bytes: Uint8Array,
    embeddingInputs: number,
    id: Uint8Array | null,
  ): void {
    const shard = this.shardFor(from.model, from.endpoint as Endpoint, {
      bytes: bytes.length + 1,
      embeddingInputs,
    });
    shard.requests.write(bytes);
    shard.requests.writeAscii('\n');
    this.addId(shard, id ?? nullId);
    shard.lines.add(line[0]);
    shard.carried.push([line[0], line[1], line[2]]);
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

  private shardFor(model: string, endpoint: Endpoint, size: LineSize): OpenShard {
    let shard = this.last;
    if (shard === null || shard.model !== model || shard.endpoint !== endpoint) {
      shard = this.open.get(`${endpoint} ${model}`) ?? null;
    }
    if (shard !== null && shard.fill.isFullFor(size, this.limits)) {
      this.close(shard);
      shard = null;
    }
    if (shard === null) {
      shard = this.openShard(model, endpoint);
      this.open.set(`${endpoint} ${model}`, shard);
    }
    shard.fill.add(size);
    this.lines += 1;
    this.last = shard;
    return shard;
  }

  private openShard(model: string, endpoint: string): OpenShard {
    const index = this.shardLines.length;
    this.shardLines.push(0);
    const path = join(this.folder, shardFiles.requests(this.job, shardId(this.round, index)));
    return {
      index,
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

  private bodyOpening(block: Buffer, bodyStart: number, model: string): string {
    let text = this.bodyModels.get(model);
    if (text === undefined) {
      text = `{"model":${JSON.stringify(model)}`;
      this.bodyModels.set(model, text);
    }
    let next = bodyStart + 1;
    while (isBlank(block[next]!)) next += 1;
    return block[next] === 0x7d ? text : `${text},`;
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
    };
    const file = new WholeFileWriter(join(this.folder, shardFiles.manifest(this.job, id)));
    file.writeText(JSON.stringify(manifest));
    file.finish();
    this.shardLines[shard.index] = shard.fill.lines;
    this.open.delete(`${shard.endpoint} ${shard.model}`);
    if (this.last === shard) this.last = null;
  }
}
