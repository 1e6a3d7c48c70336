import { createHash } from 'node:crypto';
import type { JobSpec } from '../../core/job-spec.ts';
import { isLineFault, RequestLineReader, type LineFault, type RequestLine } from '../../core/request-line.ts';
import { cutLines, type AroundRead, type CutLine } from '../../files/cut-lines.ts';
import { otherFormat } from '../../input/file-format.ts';
import { SeparatorSearch } from './separators.ts';

/** A line of an input that is not blank: a checked request, or why it is none. One object serves all lines. */
export interface InputLine {
  /** 1-based number of the line in the input. */
  number: number;
  block: Buffer;
  /** The line's bytes, trimmed, are `block[start..end)`; of a line that is too long they are not given. */
  start: number;
  end: number;
  overlong: boolean;
  request: RequestLine | LineFault;
}

/**
 * Reads a job's input and checks every line of it, until `onLine` answers false; answers whether the bytes are those
 * that the spec names. What `onLine` is given is valid during the call only.
 */
export function readRequests(
  spec: JobSpec,
  onLine: (line: Readonly<InputLine>) => boolean,
  around?: AroundRead,
  onBytes?: (bytes: number) => void,
): boolean {
  const reader = new RequestLineReader(spec);
  const separators = new SeparatorSearch();
  const hash = createHash('sha256');
  let bytes = 0;
  let isWanted = true;
  let line: InputLine | null = null;
  const onCut = (block: Buffer, cut: CutLine): void => {
    if (!isWanted) return;
    if (cut.start === 0) separators.begin(block.subarray(0, cut.blockEnd));
    const { start, end } = trimLine(block, cut);
    const { number, overlong } = cut;
    if (start === end && !overlong) return; // a blank line is no line
    const checked = checkLine({ reader, separators }, block, cut, start, end, spec.shardBytes);
    const isFirst = line === null;
    const other =
      isFirst && isLineFault(checked) && !overlong ? otherFormat(block.subarray(start, end)) : null;
    const request = other ?? checked;
    line = Object.assign(line ?? {}, { number, block, start, end, overlong, request });
    isWanted = onLine(line);
  };
  const onChunk = (chunk: Uint8Array): void => {
    bytes += chunk.length;
    onBytes?.(chunk.length);
    hash.update(chunk);
  };
  cutLines(spec.input.path, spec.shardBytes, onCut, onChunk, around);
  return bytes === spec.input.bytes && hash.digest('hex') === spec.input.sha256;
}

/** Leaves out a byte order mark, the `\r` of Windows line ends, and blanks around the line. */
function trimLine(block: Buffer, cut: CutLine): { start: number; end: number } {
  let { start, end } = cut;
  if (cut.number === 1 && startsWithMark(block, start, end)) start += 3;
  while (end > start && isBlank(block[end - 1]!)) end -= 1;
  while (start < end && isBlank(block[start]!)) start += 1;
  return { start, end };
}

/** True for lines that begin with the byte order mark of UTF-8. */
function startsWithMark(block: Buffer, start: number, end: number): boolean {
  return block[start] === 0xef && end - start >= 3 && block[start + 1] === 0xbb && block[start + 2] === 0xbf;
}

export function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x0d || byte === 0x09;
}

function checkLine(
  { reader, separators }: { reader: RequestLineReader; separators: SeparatorSearch },
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
  if (startsWithMark(block, start, end)) {
    return {
      reason: 'begins with a byte order mark, as where files were joined',
      advice: 'remove it: only the start of the file may have one',
    };
  }
  if (!cut.utf8) return { reason: 'is not valid UTF-8', advice: 'save the file as UTF-8' };
  const request = reader.read(block, start, end);
  if (isLineFault(request) && block.subarray(start, end).includes(0)) {
    return { reason: 'holds a NUL byte', advice: 'remove it, or write it as \\u0000 inside a string' };
  }
  if (isLineFault(request)) return request;
  request.escapeBytes = separators.growth(request.bodyStart, request.bodyEnd);
  if (lineBytes(request) > maxBytes) {
    return {
      reason: `is longer than a batch may be (${maxBytes} bytes)`,
      advice: 'make it shorter or raise --shard-bytes',
    };
  }
  return request;
}

/** An upper bound of what the request takes in an uploaded file. */
export function lineBytes(request: RequestLine): number {
  const added = request.addsModel ? request.model.length * 6 + 12 : 0;
  return request.bodyEnd - request.bodyStart + request.escapeBytes + added + 100;
}
