import type { LineFault } from '../core/request-line.ts';

/** The first bytes of files in other formats. */
const signatures: readonly (readonly [name: string, bytes: readonly number[], advice: string])[] = [
  ['a gzip file', [0x1f, 0x8b], 'unpack it first, e.g. with gunzip -k'],
  ['a zip file', [0x50, 0x4b, 0x03, 0x04], 'unpack it first, e.g. with unzip'],
  ['a zstd file', [0x28, 0xb5, 0x2f, 0xfd], 'unpack it first, e.g. with unzstd'],
  ['a bzip2 file', [0x42, 0x5a, 0x68], 'unpack it first, e.g. with bunzip2 -k'],
  [
    'a Parquet file',
    [0x50, 0x41, 0x52, 0x31],
    'add --prompt, or write each row as one JSON request on a line of its own',
  ],
];

/**
 * Detects from its first line that a file is in another format; returns null otherwise. A message about that line alone would make the
 * user fix the line instead of the file.
 */
export function detectOtherFormat(line: Uint8Array): LineFault | null {
  for (const [name, bytes, advice] of signatures) {
    if (bytes.every((byte, i) => line[i] === byte)) return { reason: `is the start of ${name}`, advice };
  }
  const text = new TextDecoder().decode(line.subarray(0, MOST_BYTES)).trim();
  if (text.startsWith('[')) {
    const advice = "write each of its items on a line of its own, e.g. with jq -c '.[]'";
    return { reason: 'is the start of a JSON array', advice };
  }
  // `{` alone, or the first members of an object that continues: an object that is only malformed ends with `}`.
  if (text === '{' || (text.startsWith('{') && !text.endsWith('}') && line.length <= MOST_BYTES)) {
    const advice = 'write each object on one line, e.g. with jq -c .';
    return { reason: 'is the start of a JSON object that continues on the next line', advice };
  }
  if (/^[^{}[\]]*[,;\t][^{}[\]]*$/.test(text) && line.length <= MOST_BYTES) {
    return {
      reason: 'looks like the header of a CSV file',
      advice:
        'add --prompt and --format csv, or write each row as one JSON request on a line of its own: {"body":{"model":…,"messages":[…]}}',
    };
  }
  return null;
}

/** The header of a table, and the first line of a pretty-printed object, are short. */
const MOST_BYTES = 10_000;
