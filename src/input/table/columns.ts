import { tableError } from './table-error.ts';

/** @throws BatchError `bad_input` when two columns have the same name in DuckDB, which does not distinguish upper and lower case */
export function assertDistinct(names: readonly string[], source: string): void {
  const known = new Map<string, number>();
  for (const [i, name] of names.entries()) {
    const other = known.get(name.toLowerCase());
    if (other !== undefined) {
      const reason = `is the name of columns ${other + 1} and ${i + 1}`;
      throw tableError({ source, column: name }, reason, 'give each column a name of its own');
    }
    known.set(name.toLowerCase(), i);
  }
}
