import { createHash, hash } from 'node:crypto';
import { requestHead, type RequestLine } from '../../core/request-line.ts';
import { BodyOpenings } from './body-opening.ts';
import { escapeSeparators } from './separators.ts';

/** Bytes of a request's key: with 128 bits, two different requests do not get the same hash by chance. */
export const KEY_BYTES = 16;

/** Longer requests are hashed in pieces, because copying them would cost more. */
const SCRATCH_BYTES = 64 << 10;

const tail = Buffer.from('}');

/**
 * Keys of requests: equal for equal requests. A key is a hash of endpoint, model and body as uploaded, which is the uploaded line
 * without its number.
 */
export class RequestKeys {
  private readonly scratch = Buffer.allocUnsafe(SCRATCH_BYTES);
  private readonly key = Buffer.alloc(KEY_BYTES);
  private readonly heads = new Map<string, Buffer>();
  private readonly openings = new BodyOpenings();

  /**
   * The key of a checked line of an input; the same as `ofUploaded` returns for the uploaded line. A key
   * is valid until the next call.
   */
  ofRequest(block: Buffer, request: RequestLine): Buffer {
    if (request.escapeBytes === 0) return this.ofRawRequest(block, request);
    const { bodyStart, bodyEnd } = request;
    const body = escapeSeparators(block.subarray(bodyStart, bodyEnd));
    return this.ofRawRequest(body, { ...request, bodyStart: 0, bodyEnd: body.length });
  }

  /** The key of a line with its separators unchanged, as in the indexes of earlier versions. */
  ofRawRequest(block: Buffer, { endpoint, model, addsModel, bodyStart, bodyEnd }: RequestLine): Buffer {
    const head = this.headOf(endpoint);
    const opening = addsModel ? Buffer.from(this.openings.of(block, bodyStart, model)) : null;
    const start = addsModel ? bodyStart + 1 : bodyStart;
    const length = head.length + (opening?.length ?? 0) + (bodyEnd - start) + tail.length;
    if (length > SCRATCH_BYTES) {
      const sum = createHash('sha256').update(head);
      if (opening !== null) sum.update(opening);
      return sum.update(block.subarray(start, bodyEnd)).update(tail).digest();
    }
    const { scratch } = this;
    let used = head.copy(scratch);
    if (opening !== null) used += opening.copy(scratch, used);
    used += block.copy(scratch, used, start, bodyEnd);
    tail.copy(scratch, used);
    return this.keyOf(scratch.subarray(0, length));
  }

  /**
   * The key of `block[start..end)`, a line of a shard's request file, and its number in the input. Raw separators, as in files of
   * earlier versions, count as escaped.
   */
  ofUploaded(
    block: Buffer,
    start: number,
    end: number,
    endpoint: string,
  ): { readonly line: number; readonly key: Buffer } {
    let at = start + requestHead(endpoint)[0].length;
    let line = 0;
    for (; block[at] !== 0x22; at += 1) line = line * 10 + (block[at]! - 0x30);
    return { line, key: this.keyOf(escapeSeparators(block.subarray(at, end))) };
  }

  private keyOf(bytes: Uint8Array): Buffer {
    // Via text, which takes half the time of creating a buffer for each; its first half fills the key.
    this.key.write(hash('sha256', bytes, 'hex'), 'hex');
    return this.key;
  }

  private headOf(endpoint: string): Buffer {
    let head = this.heads.get(endpoint);
    if (head === undefined) {
      head = Buffer.from(requestHead(endpoint)[1]);
      this.heads.set(endpoint, head);
    }
    return head;
  }
}
