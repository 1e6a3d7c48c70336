/** The delimiters of CSV files, the most usual one first. */
const delimiters = [',', ';', '\t', '|'] as const;

/** The header of a CSV file. */
export interface CsvHeader {
  readonly delimiter: string;
  /** Without the spaces around them. A column without a name is `column0`, `column1`, … by its place. */
  readonly names: readonly string[];
}

/**
 * Parses the first line of a CSV file. Without a given delimiter, it is the one of `, ; tab |` that the line has most of outside quotes.
 * Returns null when a quoted name does not end in the line.
 */
export function parseCsvHeader(line: string, delimiter: string | null): CsvHeader | null {
  const unquoted = line.replaceAll(/"[^"]*"/g, '');
  if (unquoted.includes('"')) return null;
  const count = (text: string): number => unquoted.split(text).length;
  const used = delimiter ?? delimiters.reduce((most, each) => (count(each) > count(most) ? each : most));
  const fields = `${used}${line}`.matchAll(new RegExp(`\\${used}(?:"((?:[^"]|"")*)"|([^\\${used}]*))`, 'g'));
  const names = [...fields].map(([, quoted, plain], i) => {
    const name = (quoted?.replaceAll('""', '"') ?? plain!).trim();
    return name === '' ? `column${i}` : name;
  });
  return { delimiter: used, names };
}
