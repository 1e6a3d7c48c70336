import { requestHead } from '../../core/request-line.ts';
import {
  Endpoint,
  MAX_BATCH_BYTES,
  MAX_PACKED_LINES,
  MAX_TOKENS_PER_EMBEDDING_LINE,
} from '../../core/limits.ts';
import { AtomicFileWriter } from '../../files/atomic-file-writer.ts';
import { readLines } from '../../files/read-lines.ts';
import { bodyMember } from '../requests/body-member.ts';

const QUOTE = 0x22;
const NUMBER_AT = requestHead(Endpoint.Embeddings)[0].length;

/** An uploaded request, cut around its text. */
interface Cut {
  readonly line: number;
  /** The bytes from the quote after the line's number to the text, and those after the text. */
  readonly before: Buffer;
  readonly text: Buffer;
  readonly behind: Buffer;
  readonly tokens: number;
}

/**
 * Writes the uploaded file of a shard whose lines share requests: adjacent requests that differ in their text only become one, with a
 * list of texts and the number of the first line. A line in `alone`, and one whose `input` is not a text, keeps its request. Returns, for
 * each request, the estimated tokens of its lines. The same file always has the same packs.
 */
export function packRequests(source: string, target: string, alone: ReadonlySet<number>): number[][] {
  const file = new AtomicFileWriter(target);
  const packs: number[][] = [];
  let open: OpenPack | null = null;
  const close = (): void => {
    if (open !== null) packs.push(open.writeTo(file));
    open = null;
  };
  try {
    readLines(source, MAX_BATCH_BYTES, (block, { start, end }) => {
      const request = block.subarray(start, end);
      const cut = cutRequest(request);
      const shares = cut !== null && !alone.has(cut.line);
      if (!shares || open?.mayTake(cut) === false) close();
      if (!shares) {
        file.write(request);
        file.writeAscii('\n');
        packs.push([cut?.tokens ?? 1]);
      } else {
        open ??= new OpenPack(cut);
        open.add(cut);
      }
    });
    close();
    file.finish();
    return packs;
  } catch (error) {
    file.abandon();
    throw error;
  }
}

/** Lines that will share a request. */
class OpenPack {
  private readonly line: number;
  private readonly before: Buffer;
  private readonly behind: Buffer;
  private readonly texts: Buffer[] = [];
  private readonly tokens: number[] = [];
  private sum = 0;

  constructor({ line, before, behind }: Cut) {
    this.line = line;
    this.before = Buffer.from(before); // a copy: the block is reused
    this.behind = Buffer.from(behind);
  }

  mayTake({ before, behind, tokens }: Cut): boolean {
    return (
      this.texts.length < MAX_PACKED_LINES &&
      this.sum + tokens <= MAX_TOKENS_PER_EMBEDDING_LINE &&
      this.before.equals(before) &&
      this.behind.equals(behind)
    );
  }

  add({ text, tokens }: Cut): void {
    this.texts.push(Buffer.from(text));
    this.tokens.push(tokens);
    this.sum += tokens;
  }

  /** Writes the request; one of a single line as it was. Returns the tokens of the lines. */
  writeTo(file: AtomicFileWriter): number[] {
    const isList = this.texts.length > 1;
    file.writeAscii(requestHead(Endpoint.Embeddings)[0]);
    file.writeNumber(this.line);
    file.write(this.before);
    this.texts.forEach((text, i) => {
      if (isList) file.writeAscii(i === 0 ? '[' : ',');
      file.write(text);
    });
    if (isList) file.writeAscii(']');
    file.write(this.behind);
    file.writeAscii('\n');
    return this.tokens;
  }
}

/** Cuts an uploaded request; null if its `input` is not a text. */
function cutRequest(request: Buffer): Cut | null {
  const span = bodyMember(request, 'input');
  if (span === null || request[span[0]] !== QUOTE) return null;
  const [start, end] = span;
  const numberEnd = request.indexOf(QUOTE, NUMBER_AT);
  const text = request.subarray(start, end);
  return {
    line: Number(request.toString('latin1', NUMBER_AT, numberEnd)),
    before: request.subarray(numberEnd, start),
    text,
    behind: request.subarray(end),
    tokens: mostTokens(text),
  };
}

/**
 * More tokens than any tokenizer of the API makes of usual text in JSON: two ASCII characters are a token, and each byte of other
 * characters is one. A refused request costs a round, a smaller one nothing.
 */
function mostTokens(json: Buffer): number {
  let ascii = 0;
  for (let at = 1; at < json.length - 1; at += 1) if (json[at]! < 0x80) ascii += 1;
  return Math.max(1, Math.ceil(ascii / 2) + (json.length - 2 - ascii));
}
