import type { BatchError } from '../../core/errors.ts';
import { isDiskFull, storeFull } from './store-error.ts';
import { tableError } from './table-error.ts';
import { cannotBeUnpacked } from './unpack-file.ts';

/** What is being read, for messages. */
export interface ReadSource {
  /** The name of a file by its path, or of the whole source without one. */
  readonly nameOf: (path?: string) => string;
  /** The file of a message of DuckDB that names none; undefined when there are several. */
  readonly onlyPath?: string | undefined;
}

/**
 * Translates an error of DuckDB; returns null for one that is not known. Its messages quote rows, so only parts without values are
 * taken over.
 */
export function translateDuckDbError(error: Error, source: ReadSource): BatchError | null {
  const text = error.message;
  const file = (path: string | undefined): string => source.nameOf(path ?? source.onlyPath);
  if (isDiskFull(error)) return storeFull();
  if (text.includes('CSV Error on Line: ')) return csvError(text, file);
  const json =
    /^[^\n]*?Malformed JSON in file "([^\n]*)", at byte \d+ in (?:line|record\/value) (\d+): ([^\n]*)/.exec(
      text,
    );
  if (json !== null) return jsonError(file(json[1]), Number(json[2]) - 1, json[3]!);
  const array = /Expected top-level JSON array .* in file "([^\n]*)"/.exec(text);
  if (array !== null) return tableError({ source: file(array[1]) }, 'is not a JSON array', 'write one');
  const cast =
    /Error while reading file "([^\n]*?)": failed to cast column "([^\n]*?)" from type (.+?) to (.+?):/.exec(
      text,
    );
  if (cast !== null) {
    const [, path, column = '', found, expected] = cast;
    return tableError(
      { source: file(path), column },
      `has the type ${found}, and ${expected} in the first file`,
      'write the column with one type in all files',
    );
  }
  if (notUnpacked.test(text)) return cannotBeUnpacked(file(undefined));
  if (text.startsWith('Out of Memory Error'))
    return tableError(
      { source: file(undefined) },
      'needs more memory than there is',
      'split it into several inputs',
    );
  const parquet = notParquet.exec(text);
  if (parquet !== null) {
    return tableError(
      { source: file(parquet.slice(1).find((path) => path !== undefined)) },
      'is not a whole Parquet file',
      'it may be cut off: write it again',
    );
  }
  return null;
}

/*
 * DuckDB's own words, from the beginning of its message: further on, messages quote paths, values and the query, which may contain any word.
 */

const notUnpacked =
  /^[A-Z][A-Za-z ]* Error: (?:Unknown frame descriptor|Data corruption detected|Restored data doesn't match checksum|Input is not a GZIP stream)/;

const notParquet =
  /^[A-Z][A-Za-z ]* Error: (?:No magic bytes found at end of file '([^\n]*)'|File '([^\n]*)' too small to be a Parquet file|Failed to read file "([^\n]*)": \w+ [Dd]ecompression failure)/;

function csvError(text: string, file: (path: string | undefined) => string): BatchError {
  const row = Number(/CSV Error on Line: (\d+)/.exec(text)![1]) - 1;
  // The text of the row comes before the file and the counts, and may contain anything.
  const path = text.slice(text.lastIndexOf('\n  file = ')).split('\n')[1]?.slice('  file = '.length);
  const [, expected, found] =
    [...text.matchAll(/\nExpected Number of Columns: (\d+) Found: (\d+)/g)].at(-1) ?? [];
  const place = { source: file(path), ...(row === 0 ? {} : { row }) };
  if (found !== undefined) {
    const advice =
      Number(found) > Number(expected) ? 'quote values that contain the delimiter' : 'add the missing values';
    return tableError(
      place,
      `has ${found} value${found === '1' ? '' : 's'}, and the header has ${expected}`,
      advice,
    );
  }
  if (text.includes('\nInvalid unicode')) {
    return tableError(place, 'is not valid UTF-8', 'save the file as UTF-8, e.g. with iconv');
  }
  if (text.includes('\nMaximum line size of '))
    return tableError(place, 'is longer than a batch may be', 'shorten it');
  if (text.includes('\nValue with unterminated quote found')) {
    return tableError(
      place,
      'has a quoted value that does not end before the delimiter or the end of the line',
      'write quotes inside of quoted values twice, and end all lines in the same way',
    );
  }
  return tableError(place, 'is not valid CSV', 'check its quotes and delimiters');
}

function jsonError(source: string, row: number, reason: string): BatchError {
  if (reason.includes('UTF-8'))
    return tableError({ source, row }, 'is not valid UTF-8', 'save the file as UTF-8, e.g. with iconv');
  if (reason.includes('byte order mark'))
    return tableError({ source }, 'begins with a byte order mark', 'save it as UTF-8 without one');
  return tableError({ source, row }, 'is not valid JSON', 'write one object per row');
}
