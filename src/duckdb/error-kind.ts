import { BatchError } from '../core/errors.ts';

/** The kind of an error of DuckDB, such as `Conversion`; null for any other error. */
export function kindOf(error: unknown): string | null {
  if (!(error instanceof Error) || error instanceof BatchError) return null;
  return /^([A-Z][A-Za-z ]{0,40}) Error: /.exec(error.message)?.[1] ?? null;
}
