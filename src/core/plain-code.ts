/** True for a short identifier: such a code contains no text of the API, which may quote a prompt. */
export function isPlainCode(code: string): boolean {
  return /^[A-Za-z0-9_.-]{1,64}$/.test(code);
}

/**
 * Returns the code for reports, histories and logs; `other` if it is not a short identifier. Reports, histories and logs contain no
 * text of the API, and some servers put text into the code.
 */
export function plainCode(code: string): string {
  return isPlainCode(code) ? code : 'other';
}
