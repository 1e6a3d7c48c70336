/**
 * Makes strict JSON of what servers are known to write in its place: `NaN`, `Infinity` and `-Infinity` become null, raw
 * control characters in strings are escaped, a comma before a closing bracket is dropped. All other text stays as it is.
 *
 * This is no check: the result may still be no JSON, and whoever uses it scans it.
 */
export function repairJson(text: string): string {
  let repaired = '';
  let kept = 0; // what stands before is in `repaired`
  const replace = (from: number, to: number, by: string): void => {
    repaired += text.slice(kept, from) + by;
    kept = to;
  };
  for (let at = 0; at < text.length;) {
    const sign = text[at]!;
    if (sign === '"') {
      at = repairString(text, at, replace);
    } else if (sign === ',') {
      const next = skipSpace(text, at + 1);
      if (text[next] === '}' || text[next] === ']') replace(at, at + 1, '');
      at = next;
    } else if (sign === '-' || sign === 'N' || sign === 'I' || sign === 'n' || sign === 'i') {
      notNumber.lastIndex = at;
      const word = notNumber.exec(text)?.[0];
      if (word !== undefined) replace(at, at + word.length, 'null');
      at += word?.length ?? 1;
    } else {
      at += 1;
    }
  }
  return kept === 0 ? text : repaired + text.slice(kept);
}

/** What Python, JavaScript and C print for numbers that JSON lacks. */
const notNumber = /-?(?:NaN|Infinity|nan|inf)\b/y;

/** Escapes raw control characters of the string at `at`; returns the offset behind it. */
function repairString(
  text: string,
  at: number,
  replace: (from: number, to: number, by: string) => void,
): number {
  for (at += 1; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 0x22) return at + 1;
    if (code === 0x5c) at += 1;
    else if (code < 0x20) replace(at, at + 1, `\\u${code.toString(16).padStart(4, '0')}`);
  }
  return at;
}

function skipSpace(text: string, at: number): number {
  while (text[at] === ' ' || text[at] === '\t' || text[at] === '\r' || text[at] === '\n') at += 1;
  return at;
}
