import { UnreadableForm } from './faults/line-fault.ts';

const DEFAULT_DEPTH = 5000;
/** A grinning face in CESU-8, which is not valid UTF-8: each surrogate is encoded separately. */
const CESU8 = Buffer.from([0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]);

/** Makes the row of an answer unreadable; the ids at its beginning are not changed. */
export function unreadableRow(
  row: string,
  form: UnreadableForm,
  depth: number = DEFAULT_DEPTH,
): string | Buffer {
  switch (form) {
    case UnreadableForm.nan:
      return withMember(row, '"score":NaN');
    case UnreadableForm.negativeInfinity:
      return withMember(row, '"score":-Infinity');
    case UnreadableForm.controlCharacter:
      return withMember(row, '"note":"a\u0001b\tc"');
    case UnreadableForm.trailingComma:
      return withMember(row, '"note":"last",');
    case UnreadableForm.loneByte:
      return withBytes(row, Buffer.from([0x80]));
    case UnreadableForm.cesu8:
      return withBytes(row, CESU8);
    case UnreadableForm.deep:
      return withMember(row, `"note":${'['.repeat(depth)}${']'.repeat(depth)}`);
    case UnreadableForm.truncated:
      return `${row.slice(0, Math.max(row.indexOf('"body":'), Math.floor(row.length * 0.6)))}\n`;
    default:
      return form satisfies never;
  }
}

/** The end of every row of an answer. */
const AFTER_BODY = '}},"error":null}\n';

/** Adds a member at the end of the body. */
function withMember(row: string, member: string): string {
  const [before, after] = aroundEndOfBody(row);
  return `${before},${member}${after}`;
}

function withBytes(row: string, bytes: Buffer): Buffer {
  const [before, after] = aroundEndOfBody(row);
  return Buffer.concat([Buffer.from(`${before},"note":"a`), bytes, Buffer.from(`b"${after}`)]);
}

function aroundEndOfBody(row: string): [string, string] {
  const end = row.length - AFTER_BODY.length;
  return [row.slice(0, end), row.slice(end)];
}
