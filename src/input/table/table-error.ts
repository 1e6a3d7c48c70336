import { BatchError, ErrorCode } from '../../core/errors.ts';

/** Where the error of a source is. */
export interface TablePlace {
  /** The file, or what else the source is called: `standard input`, `the query`. */
  readonly source: string;
  /** 1-based, without the header. */
  readonly row?: number;
  readonly column?: string;
}

/** There is no source, or it has no rows. */
export class NoRows extends BatchError {}

/** The error of a source that does not exist or has no rows. */
export function noRows(source: string, reason: string, advice: string): NoRows {
  const { code, message, details } = tableError({ source }, reason, advice);
  return new NoRows(code, message, { details });
}

/**
 * The error of a source that cannot be read. Neither `reason` nor `advice` may contain values of rows, and errors of DuckDB do, so the
 * error has no cause.
 */
export function tableError(place: TablePlace, reason: string, advice: string): BatchError {
  const { source, row, column } = place;
  const parts = [
    row === undefined ? [] : `row ${row}`,
    column === undefined ? [] : `column ${column}`,
  ].flat();
  const subject = parts.length === 0 ? source : `${source}: ${parts.join(', ')}`;
  return new BatchError(ErrorCode.BadInput, `${subject} ${reason}: ${advice}.`, {
    details: {
      file: source,
      ...(row === undefined ? {} : { row }),
      ...(column === undefined ? {} : { column }),
    },
  });
}
