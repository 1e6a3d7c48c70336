/**
 * Converts known deviations of servers to strict JSON: `NaN`, `Infinity` and `-Infinity` become null, raw control characters in
 * strings are escaped, a comma before a closing bracket is removed. All other text is unchanged.
 *
 * The result may still be invalid JSON: the caller has to scan it.
 */
export function repairJson(text: string): string {
  let repaired = '';
  let kept = 0; // the text before it is in `repaired`
  const replace = (from: number, to: number, by: string): void => {
    repaired += text.slice(kept, from) + by;
    kept = to;
  };
  for (let at = 0; at < text.length;) {
    const character = text[at]!;
    if (character === '"') {
      at = repairString(text, at, replace);
    } else if (character === ',') {
      const next = skipSpace(text, at + 1);
      if (text[next] === '}' || text[next] === ']') replace(at, at + 1, '');
      at = next;
    } else if (
      character === '-' ||
      character === 'N' ||
      character === 'I' ||
      character === 'n' ||
      character === 'i'
    ) {
      notNumber.lastIndex = at;
      const literal = notNumber.exec(text)?.[0];
      if (literal !== undefined) replace(at, at + literal.length, 'null');
      at += literal?.length ?? 1;
    } else {
      at += 1;
    }
  }
  return kept === 0 ? text : repaired + text.slice(kept);
}

/** The literals of Python, JavaScript and C for numbers that JSON lacks. */
const notNumber = /-?(?:NaN|Infinity|nan|inf)\b/y;

/** Escapes raw control characters of the string at `at`; returns the offset after it. */
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
