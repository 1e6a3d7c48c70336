import { BatchError, ErrorCode } from './errors.ts';

/**
 * Refuses options that do not exist, which JavaScript or a cast lets through: a misspelt one would be ignored, and the job would
 * pay for something else than the user asked for.
 * @throws BatchError `bad_option` naming the option and the nearest known one
 */
export function assertKnownOptions(options: object, known: readonly string[]): void {
  for (const [option, value] of Object.entries(options)) {
    if (value === undefined || known.includes(option)) continue;
    const near = nearest(option, known);
    const advice = near === null ? `known are ${known.join(', ')}` : `did you mean ${near}?`;
    throw new BatchError(
      ErrorCode.BadOption,
      `Option ${option.slice(0, 40)} does not exist: ${advice}${near === null ? '.' : ''}`,
      { details: { option: option.slice(0, 40) } },
    );
  }
}

/** The known name that starts with this one, or that needs the fewest changes of letters; null if none is near. */
export function nearest(name: string, known: readonly string[]): string | null {
  let best: string | null = null;
  let fewest = Math.max(2, Math.ceil(name.length / 3)) + 1;
  for (const candidate of known) {
    const isPrefix = name.length > 3 && plain(candidate).startsWith(plain(name));
    const changes = isPrefix ? 1 : changesBetween(plain(name), plain(candidate));
    if (changes >= fewest) continue;
    best = candidate;
    fewest = changes;
  }
  return best;
}

/** `job_id`, `job-id` and `jobId` are the same name. */
function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[-_]/g, '');
}

/** Edit distance: letters to insert, to delete, to replace, or to swap with the next one. */
function changesBetween(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1];
      let least = Math.min(rows[i - 1]![j - 1]! + (same ? 0 : 1), rows[i - 1]![j]! + 1, row[j - 1]! + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, rows[i - 2]![j - 2]! + 1);
      row.push(least);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
