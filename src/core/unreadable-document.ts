import type { LineFault } from './request-line.ts';

/*
 * A document that cannot be read is a row without text. A prompt that has other words would be sent all the same, so the row also carries why
 * it fails, in a last member that is no column.
 */

/** The name of that member. */
export const UNREADABLE = '$unreadable';

/** What the row ends with, before the fault: nothing inside a JSON string looks like this, where quotes are escaped. */
const MARK = `"text":null,"${UNREADABLE}":`;

/** The fault of a row of a document that cannot be read; null for other rows. */
export function unreadableDocument(row: Buffer): LineFault | null {
  const endsWithObject = row[row.length - 2] === 0x7d; // most rows do not, and are not searched
  if (!endsWithObject || !row.includes(MARK)) return null;
  const { reason, advice } = (JSON.parse(row.toString('utf8')) as { [UNREADABLE]: LineFault })[UNREADABLE];
  return { reason: `has a document that ${reason}`, advice };
}
