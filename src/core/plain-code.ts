/** True for a short word: a code that holds no text of the API, which may quote a prompt. */
export function isPlainCode(code: string): boolean {
  return /^[A-Za-z0-9_.-]{1,64}$/.test(code);
}

/**
 * A code as it may stand in reports, histories and logs; `other` for what is no short word. They hold no text of the API,
 * and some servers put it here.
 */
export function plainCode(code: string): string {
  return isPlainCode(code) ? code : 'other';
}
