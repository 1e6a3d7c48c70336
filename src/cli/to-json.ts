/** Objects whose keys are values, which are not renamed: statuses of batches, codes of errors. */
const KEYED_BY_VALUES: ReadonlySet<string> = new Set(['batches', 'errors']);

/** The output of `--json`: one line, with keys as in `report.json` (`job_id`). */
export function toJson(value: unknown): string {
  return JSON.stringify(spelt(value));
}

function spelt(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(spelt);
  if (typeof value !== 'object' || value === null || 'toJSON' in value) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, held]) => [
      key.replaceAll(/(?<=[a-z\d])[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      KEYED_BY_VALUES.has(key) ? held : spelt(held),
    ]),
  );
}
