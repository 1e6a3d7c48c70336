import type { JobSpec } from '../../core/job-spec.ts';
import { isLineFault, RequestLineReader, type LineFault, type RequestLine } from '../../core/request-line.ts';
import { detectOtherFormat } from '../../input/file-format.ts';
import type { InputReader, InputRow } from '../../input/input-reader.ts';
import { SeparatorSearch } from './separators.ts';
import { startsWithMark, trimRow } from './trim-row.ts';

/** A line of an input that is not blank: a checked request, or its fault. One object is reused for all lines. */
export interface InputLine {
  /** 1-based number of the line in the input. */
  number: number;
  block: Buffer;
  /** The line's trimmed bytes are `block[start..end)`; those of an overlong line are not available. */
  start: number;
  end: number;
  overlong: boolean;
  request: RequestLine | LineFault;
}

/** How an input is read. Arguments of `onLine` are valid only during the call. */
export interface RequestReading {
  /** The job's defaults for lines, and the most bytes of a batch. */
  readonly spec: Pick<JobSpec, 'model' | 'endpoint' | 'shardBytes'>;
  /** Returns false to stop the calls. The input is still read to its end, for `onBytes`. */
  readonly onLine: (line: Readonly<InputLine>) => boolean;
  readonly onBytes: (bytes: Uint8Array) => void;
}

/** Reads an input and checks every line of it. */
export function readRequests(input: InputReader, { spec, onLine, onBytes }: RequestReading): void {
  const checker = new LineChecker(spec);
  let isWanted = true;
  let line: InputLine | null = null;
  const onRow = (block: Buffer, row: Readonly<InputRow>): void => {
    if (!isWanted) return;
    if (row.start === 0 && row.request == null) checker.begin(block.subarray(0, row.blockEnd));
    const { start, end } = trimRow(block, row);
    const { number, overlong } = row;
    if (start === end && !overlong) return; // blank lines are skipped
    const checked = checker.check(block, row, start, end);
    if (line === null) {
      const isOther = isLineFault(checked) && !overlong;
      const request = (isOther ? detectOtherFormat(block.subarray(start, end)) : null) ?? checked;
      line = { number, block, start, end, overlong, request };
    } else {
      line.number = number;
      line.block = block;
      line.start = start;
      line.end = end;
      line.overlong = overlong;
      line.request = checked;
    }
    isWanted = onLine(line);
  };
  input.read({ maxRowBytes: spec.shardBytes, onRow, onBytes });
}

/** Checks the lines of an input, in order. */
class LineChecker {
  private readonly reader: RequestLineReader;
  private readonly separators = new SeparatorSearch();
  private readonly maxBytes: number;

  constructor(spec: RequestReading['spec']) {
    this.reader = new RequestLineReader(spec);
    this.maxBytes = spec.shardBytes;
  }

  /** Begins a block. */
  begin(block: Buffer): void {
    this.separators.begin(block);
  }

  /** Checks the trimmed row, `block[start..end)`. */
  check(block: Buffer, row: Readonly<InputRow>, start: number, end: number): RequestLine | LineFault {
    if (row.fault != null) return row.fault;
    if (row.overlong) return this.tooLong();
    if (row.request != null) return this.notTooLong(row.request);
    if (startsWithMark(block, start, end)) {
      return {
        reason: 'begins with a byte order mark, as after joining files',
        advice: 'remove it: only the start of the file may have one',
      };
    }
    if (!row.utf8) return { reason: 'is not valid UTF-8', advice: 'save the file as UTF-8' };
    const request = this.reader.read(block, start, end);
    if (isLineFault(request) && block.subarray(start, end).includes(0)) {
      return { reason: 'holds a NUL byte', advice: 'remove it, or write it as \\u0000 inside a string' };
    }
    if (isLineFault(request)) return request;
    request.escapeBytes = this.separators.growth(request.bodyStart, request.bodyEnd);
    return this.notTooLong(request);
  }

  private notTooLong(request: RequestLine): RequestLine | LineFault {
    return lineBytes(request) > this.maxBytes ? this.tooLong() : request;
  }

  private tooLong(): LineFault {
    return {
      reason: `is longer than a batch may be (${this.maxBytes} bytes)`,
      advice: 'make it shorter or raise --shard-bytes',
    };
  }
}

/** An upper bound of the request's bytes in an uploaded file. */
export function lineBytes(request: RequestLine): number {
  const added = request.addsModel ? request.model.length * 6 + 12 : 0;
  return request.bodyEnd - request.bodyStart + request.escapeBytes + added + 100;
}
