/**
 * Replaces escapes of halves of surrogate pairs in a JSON text by that of U+FFFD: UTF-8 cannot have such a half, and DuckDB refuses the whole
 * text. A text that was cut in the middle of an emoji ends with one.
 */
export function withoutLoneSurrogates(json: string): string {
  if (!/\\u[dD]/.test(json)) return json;
  return json.replaceAll(
    /\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})/g,
    (match, lone) => (lone === undefined ? match : '\\ufffd'),
  );
}
