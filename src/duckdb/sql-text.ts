/** A text as a literal of SQL. */
export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** A name as an identifier of SQL. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Texts as a list of SQL. */
export function quoteList(texts: readonly string[]): string {
  return `[${texts.map(quoteText).join(', ')}]`;
}

/** The path of a file as DuckDB reads it: a pattern that matches only this file. */
export function literalPath(path: string): string {
  return path.replaceAll(/[[*?]/g, '[$&]');
}
