/**
 * How a home and what lies directly in it are made: prompts and answers are nobody else's. What is inside follows the umask, so
 * that a group whose home somebody has made on purpose can share it.
 */
export const privateFolder = { recursive: true, mode: 0o700 } as const;
